"""Sweeps on a Ray cluster elsewhere, through Ray's job submission."""
