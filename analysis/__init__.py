"""Batch analysis of trial tables; reads the store only, without torch and ray."""
