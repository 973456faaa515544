"""Turns recorded trials into tables, figures and one page. Never imports torch."""
