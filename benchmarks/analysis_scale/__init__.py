"""What `python -m analysis` takes, in time, memory and bytes, on runs made up at any size."""
