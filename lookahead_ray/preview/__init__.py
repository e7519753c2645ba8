"""LookAhead previews: examples -> examples, files -> files (paper, section 3; published code f9730df)."""

from lookahead_ray.preview.apply import additions, apply_preview, apply_previews
from lookahead_ray.preview.rows import preview_row, previewed_rows

__all__ = ["additions", "apply_preview", "apply_previews", "preview_row", "previewed_rows"]
