"""Build the pages of reports and write their files."""
