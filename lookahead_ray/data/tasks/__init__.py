"""Tasks to learn: their examples, and the metrics that score an answer."""
