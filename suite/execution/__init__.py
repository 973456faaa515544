"""Runs the trials of a study: local processes or Ray, progress, time estimates, verification."""
