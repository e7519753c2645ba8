"""Searchers replayed against a recorded grid: what each finds for how many training tokens."""
