"""Tasks to learn: what their examples are, and how an answer is scored."""
