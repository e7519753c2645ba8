"""The commands. Each command imports its dependencies inside its function, after parsing the arguments."""
