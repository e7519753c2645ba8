"""Merges of the trained model with the seed model: one module for each; see `registry`."""
