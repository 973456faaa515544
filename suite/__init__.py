"""Runs seeded, repeated trials of optimizers and records them. Light to import: torch and mlflow load where they are used."""
