"""Training checkpoints in a local directory or at a URL."""
