"""Changes to loss or data other than the preview: one module for each method; see `registry`."""
