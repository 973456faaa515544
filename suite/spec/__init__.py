"""A study: TOML, checked and planned."""
