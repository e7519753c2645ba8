"""LookAhead previews: examples -> examples, files -> files (paper, section 3; published code f9730df)."""

from lookahead_ray.preview.apply import additions, apply_preview, apply_previews

__all__ = ["additions", "apply_preview", "apply_previews"]
