"""A trial: from one configuration to one record."""
