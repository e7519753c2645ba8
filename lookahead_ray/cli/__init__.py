"""Command line: the commands and their options."""
