"""Sweeps of many trials: the driver, the search, the recommendation."""
