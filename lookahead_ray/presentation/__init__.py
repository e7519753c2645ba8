"""Presentation of a sweep: tables, the live view, the trade-off plot, the model card, the status."""
