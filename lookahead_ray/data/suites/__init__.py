"""Safety suites, one module each; see `registry`."""
