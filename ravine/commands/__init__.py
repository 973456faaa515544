"""The commands: each parses its options, calls `suite` and `reports`, and prints."""
