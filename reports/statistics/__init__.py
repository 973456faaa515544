"""Pure functions on arrays and frames: intervals, tests, ranks. Random generators are arguments."""
