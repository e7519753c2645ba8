"""Implementation of the commands, after their arguments are parsed."""
