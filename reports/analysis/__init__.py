"""Data frames in, data frames out: verdicts, ranking, time to target, tuning, claims."""
