"""Ctrl-C that is never lost."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Remembers that SIGINT came, and raises KeyboardInterrupt once more where `check` is called.

    Python drops an exception that it raises in a destructor or in a callback from C, and a KeyboardInterrupt
    may be raised anywhere.
    """

    def __init__(self) -> None:
        self.pending = False

    def check(self) -> None:
        """Raise KeyboardInterrupt if SIGINT came; called again and again by whoever waits."""
        if self.pending:
            raise KeyboardInterrupt

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Take SIGINT for the duration; outside of the main thread, which alone gets signals, do nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._handle)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.pending = True
        raise KeyboardInterrupt
