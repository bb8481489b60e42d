"""Changes trained models without training: from archive to archive. Unchanged weights are shared, not copied."""
