"""Data of trials: examples, tasks with the metrics that score answers, and safety suites."""
