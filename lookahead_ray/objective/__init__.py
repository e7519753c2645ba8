"""Objectives that a search optimises: one module per objective, and shared code."""
