"""Plotly figures from Arrow tables. Colours are CSS variables of the page (`var(--true)`)."""
