"""Data sets: find, download and verify them."""
