"""What a search optimises: one module for each objective, and what they share."""
