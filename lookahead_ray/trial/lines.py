"""Progress of one trial as lines of text, at a bounded rate."""

import time
from collections.abc import Callable

from lookahead_ray.method.reporting import Every
from lookahead_ray.trial.progress import Phase, TrialProgress

LINE_EVERY_S = 10.0
SHORT_S = 120.0  # below which the time that is left is shown in seconds


class ProgressLines:
    """A writer of progress lines: one when a phase begins, then at most one in `LINE_EVERY_S`.

    Lines of the training end with the time that is left, as soon as a step is done.
    """

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._every = Every(LINE_EVERY_S, clock)
        self._phase: Phase | None = None
        self._began: tuple[float, float] | None = None  # time and steps done, as the training began

    def show(self, progress: TrialProgress) -> None:
        """Write the progress, unless the last line is too recent."""
        begins = progress.phase != self._phase or progress.total <= 0
        self._phase = progress.phase
        if self._every.due(begins):
            self._write(f"{progress.detail}{self._time_left(progress)}")

    def _time_left(self, progress: TrialProgress) -> str:
        if progress.phase != "training":
            return ""
        if self._began is None:
            self._began = (self._clock(), progress.done)
        start_s, start = self._began
        if progress.done < start + 1:
            return ""
        left_s = (self._clock() - start_s) / (progress.done - start) * (progress.total - progress.done)
        left = f"{left_s / 60:.0f} min" if left_s >= SHORT_S else f"{left_s:.0f} s"
        return f" · about {left} left"
