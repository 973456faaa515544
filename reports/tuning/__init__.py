"""What a tuning run found: from a frame with a row per Optuna trial to estimates, tables, figures and sentences."""
