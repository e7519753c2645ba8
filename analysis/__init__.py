"""Batch analysis of trial tables; reads only the store and imports neither torch nor ray."""
