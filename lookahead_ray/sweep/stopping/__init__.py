"""When a trial, and when a search, ends early."""
