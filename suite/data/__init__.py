"""Data sets: found, downloaded, verified."""
