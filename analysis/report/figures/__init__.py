"""Plotly figures: Arrow tables in, figures out. Colours are CSS variables of the page (`var(--true)`)."""
