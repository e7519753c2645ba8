"""The search over configurations: samplers, grid, study, reference trials, warm starts."""
