"""Moves results between stores: export, merge, import."""
