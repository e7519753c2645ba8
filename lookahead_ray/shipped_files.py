"""Paths of the data files that are shipped with the package."""

from pathlib import Path

_ASSETS = Path(__file__).parent / "assets"

ADAPTER = _ASSETS / "adapter"
"""Alignment adapter of the embedded model, as written by peft."""

ALIGNMENT_REQUESTS = _ASSETS / "align"
"""`harmful.jsonl` and `benign.jsonl`: requests for alignment, which are in no safety suite."""

PROBE = _ASSETS / "probe"
"""`harmful.jsonl` and `benign.jsonl`: requests of the safety suite `probe`."""
