"""Many trials: the driver, the search, the recommendation."""
