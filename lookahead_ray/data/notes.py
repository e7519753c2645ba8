"""Remarks about data for the user: how a file was understood, and which rows were left out."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_collected: ContextVar[list[str] | None] = ContextVar("collected", default=None)


def note(text: str) -> None:
    """Add a remark to the list of `collect_notes`; outside of it, write it to the log."""
    found = _collected.get()
    if found is None:
        logging.getLogger(__name__).warning(text)
    elif text not in found:
        found.append(text)


@contextmanager
def collect_notes() -> Iterator[list[str]]:
    """Yield a list that receives all remarks of the `with` block, each once."""
    found: list[str] = []
    token = _collected.set(found)
    try:
        yield found
    finally:
        _collected.reset(token)
