"""What the loss or the data does besides the preview: one module for each method; see `registry`."""
