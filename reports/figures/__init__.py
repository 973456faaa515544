"""Estimates become pictures. A function takes what was estimated and an `ax`, draws, and returns the `ax`; or makes a figure.

Nothing is computed here that a reader could cite, nothing is saved, and no style is set: draw inside
`matplotlib.style.context(STYLE)`. A label has the same colour, dash and marker in every figure (`style.assign_styles`).
"""
