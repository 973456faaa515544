"""Plots of estimates: a function takes the estimates and an `ax`, draws, and returns the `ax`; some return a figure.

Figures compute no estimate, save no file and set no style: call them inside `matplotlib.style.context(STYLE)`. A label has
the same colour, dash and marker in every figure (`style.assign_styles`).
"""
