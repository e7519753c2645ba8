"""Greedy generation of answers to prompts."""
