"""LookAhead previews: pure Example -> Example (paper, section 3; published code f9730df)."""

from lookahead_ray.preview.apply import apply_preview, true_preview, virtual_preview

__all__ = ["apply_preview", "true_preview", "virtual_preview"]
