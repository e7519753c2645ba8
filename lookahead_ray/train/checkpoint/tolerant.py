"""Writing of DeepSpeed's checkpoint files that lets no rank wait for one whose write failed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def collecting_failures(engine: Any) -> Iterator[list[str]]:
    """Yield a list to which failed writes of `engine.save_checkpoint` are added, in place of raising them.

    All ranks meet several times inside `save_checkpoint`. One that raised in between would leave the others
    waiting for it.
    """
    failures: list[str] = []
    writer = engine.checkpoint_engine
    engine.checkpoint_engine = _Tolerant(writer, failures)
    try:
        yield failures
    finally:
        engine.checkpoint_engine = writer


class _Tolerant:
    """DeepSpeed's checkpoint engine whose writes don't raise."""

    def __init__(self, writer: Any, failures: list[str]) -> None:
        self._writer, self._failures = writer, failures

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    def save(self, *arguments: Any, **options: Any) -> None:
        self._try(self._writer.save, *arguments, **options)

    def makedirs(self, *arguments: Any, **options: Any) -> None:
        self._try(self._writer.makedirs, *arguments, **options)

    def _try(self, call: Any, *arguments: Any, **options: Any) -> None:
        try:
            call(*arguments, **options)
        except (OSError, RuntimeError) as error:  # torch raises RuntimeError where the disk is full
            self._failures.append(f"{type(error).__name__}: {error}")
