"""The timing of optimiser steps."""

import resource
import time
from collections.abc import Sequence
from itertools import pairwise

from benchmarks.common import Raw


class Clock:
    """A stopwatch for optimiser steps; timing starts at the end of the last one that warms up."""

    def __init__(self, warm_up: int = 1) -> None:
        self._warm_up = warm_up
        self._ends: list[float] = []
        self._cpu: list[float] = []

    def step_ended(self) -> None:
        """Record the end of an optimiser step."""
        self._ends.append(time.perf_counter())
        self._cpu.append(time.process_time())

    def raw(self, tokens: Sequence[int], answer_tokens: Sequence[int], mean_loss: float) -> Raw:
        """Return the measurement. Token counts are per optimiser step, without padding."""
        if len(tokens) != len(self._ends):
            raise ValueError(f"must count tokens for each of {len(self._ends)} steps, got {len(tokens)}")
        ends, cpu = self._ends[self._warm_up - 1 :], self._cpu[self._warm_up - 1 :]
        if len(ends) < 2:
            raise ValueError(f"must time more than {self._warm_up} steps, got {len(self._ends)}")
        seconds = ends[-1] - ends[0]
        counted = sum(tokens[self._warm_up :])
        return {
            "tokens_per_second": counted / seconds,
            "tokens": counted,
            "answer_tokens": sum(answer_tokens[self._warm_up :]),
            "seconds": seconds,
            "tokens_per_cpu_second": counted / (cpu[-1] - cpu[0]),
            "step_seconds": [b - a for a, b in pairwise(ends)],
            "steps": len(ends) - 1,
            "mean_loss": mean_loss,
            # ru_maxrss is in KiB on Linux; of one rank
            "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
