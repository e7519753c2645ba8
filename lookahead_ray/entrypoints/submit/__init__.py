"""Sweeps on a remote Ray cluster, through Ray's job submission."""
