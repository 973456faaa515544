"""Studies: read from TOML, checked, and turned into trials."""
