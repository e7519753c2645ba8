"""Greedy generation: prompts in, answers out."""
