"""Seed models: the sources of their weights, and how they are loaded."""
