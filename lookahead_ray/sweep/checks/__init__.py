"""Checks of a sweep before any model is loaded: one module for each part that can't run or loses data."""
