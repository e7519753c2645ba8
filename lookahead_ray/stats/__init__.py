"""Statistics that do not depend on trials: intervals and tests."""
