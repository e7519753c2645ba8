"""Progress of one trial as lines of text, at a bounded rate."""

import time
from collections.abc import Callable

from lookahead_ray.method.reporting import Every
from lookahead_ray.trial.progress import Phase, TrialProgress

LINE_EVERY_S = 10.0


class ProgressLines:
    """A writer of progress lines: one when a phase begins, then at most one in `LINE_EVERY_S`."""

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._every = Every(LINE_EVERY_S, clock)
        self._phase: Phase | None = None

    def show(self, progress: TrialProgress) -> None:
        """Write the progress, unless the last line is too recent."""
        begins = progress.phase != self._phase or progress.total <= 0
        self._phase = progress.phase
        if self._every.due(begins):
            self._write(progress.detail)
