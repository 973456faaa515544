"""Writes the pages of a report and their files."""
