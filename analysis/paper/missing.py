"""What a figure cannot be drawn from."""

from collections.abc import Iterable

from lookahead_ray.errors import LookaheadRayError


class FigureError(LookaheadRayError):
    """A run doesn't have what a figure shows; one line that says which trials are missing."""


def named(names: Iterable[str], most: int = 5) -> str:
    """The first names, and how many more there are."""
    found = list(names)
    return (
        ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")
        or "no trial"
    )
