"""Time, memory and output of `python -m analysis` on synthetic runs of any size."""
