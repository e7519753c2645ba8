"""The command line: commands, the live view of a running sweep, the printed report."""
