"""Reads the store into tidy data frames. The only importer of `suite` in `reports`."""
