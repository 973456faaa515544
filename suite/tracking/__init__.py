"""Records results in MLflow and reads them back."""
