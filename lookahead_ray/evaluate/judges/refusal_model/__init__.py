"""A small classifier of refusals: hashed words and characters of each sentence, pooled from left to right."""
