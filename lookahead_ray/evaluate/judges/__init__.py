"""The judges, one module each; see `registry`."""
