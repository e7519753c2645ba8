"""The recommended configuration and its justification."""
