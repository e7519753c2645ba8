"""How well screening before training ranks previews."""
