"""Which configuration is recommended, and why."""
