"""Checkpoints of a training, in a local directory or at a URL."""
