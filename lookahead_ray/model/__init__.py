"""Seed models: where weights come from, and how they are loaded."""
