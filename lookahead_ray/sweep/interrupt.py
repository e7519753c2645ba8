"""Handling of Ctrl-C that never loses the signal."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """A SIGINT handler that records the signal and raises KeyboardInterrupt again in `check`.

    Python drops exceptions that are raised in a destructor or in a callback from C, and a KeyboardInterrupt
    may be raised anywhere.
    """

    def __init__(self) -> None:
        self.pending = False

    def check(self) -> None:
        """Raise KeyboardInterrupt if SIGINT came; to be called repeatedly in a waiting loop."""
        if self.pending:
            raise KeyboardInterrupt

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle SIGINT for the duration; do nothing outside the main thread, which alone gets signals."""
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
