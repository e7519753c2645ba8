"""Statistics that know nothing of trials: intervals and tests."""
