"""The studies that come with Ravine, as TOML files, and the numbers that their sources printed (`references/`)."""
