"""Early ends of trials and of searches."""
