"""Which configurations are tried: samplers, grid, study, reference trials, warm starts."""
