"""The error for figures without the necessary trials."""

from collections.abc import Iterable

from lookahead_ray.errors import LookaheadRayError


class FigureError(LookaheadRayError):
    """A run lacks the trials for a figure; the message is one line that names what is missing."""


def named(names: Iterable[str], most: int = 5) -> str:
    """Return text with the first names, and the number of further ones."""
    found = list(names)
    return (
        ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")
        or "no trial"
    )
