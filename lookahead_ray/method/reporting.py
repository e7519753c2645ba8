"""Progress reports of long-running work: a human-readable line, units done and units in total."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

Report = Callable[[str, float, float], None]
"""Called with a human-readable line, the units done, and the total of units (0: unknown)."""


def quiet(detail: str, done: float, total: float) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True)
class GenerationProgress:
    """The progress of one generation call. `done` and `total` measure the work, see
    `evaluate.generation.meter`."""

    done: float
    total: float
    tokens: int  # generated so far
    seconds: float  # since the call began

    @property
    def share(self) -> float:
        """Return the share of the work that is done, 0..1."""
        return self.done / self.total if self.total else 1.0

    def __str__(self) -> str:
        """Return `31 % · 1,240 tokens · 210 tokens/s`."""
        text = f"{100 * self.share:.0f} % · {self.tokens:,} tokens"
        if not self.tokens or not self.seconds:
            return text
        rate = self.tokens / self.seconds
        return f"{text} · {rate:,.0f} tokens/s" if rate >= 10 else f"{text} · {rate:.1f} tokens/s"


OnGeneration = Callable[[GenerationProgress], None]
"""Called with the progress of a generation call; it must return at once."""


class Every:
    """A timer that limits reports to one in `seconds`."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._next_s = -inf

    def due(self, always: bool = False) -> bool:
        """Return whether a report is due or `always` is set; if so, the next is due `seconds` from now."""
        now_s = self._clock()
        if not always and now_s < self._next_s:
            return False
        self._next_s = now_s + self._seconds
        return True
