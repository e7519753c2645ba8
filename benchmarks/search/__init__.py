"""Searchers replayed on a recorded grid: quality of the best trials against training tokens spent."""
