"""Work meter of one generation call, updated after each forward pass."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lookahead_ray.method.reporting import GenerationProgress, OnGeneration

if TYPE_CHECKING:
    from transformers import PreTrainedModel

STEP_COST, STEP_COST_ON_GPU = 48, 512
"""Cost of a decoding pass for reading the weights, in addition to 1 for each row.

The unit is one token read or generated in a pass. Measured 20 to 75 with the embedded model on a CPU.
"""


class Meter:
    """Counter of the work of a generation call, which it reports after each pass.

    The remaining work assumes that all answers reach their limits. If an answer ends early, less remains, so
    the share that is done never falls.
    """

    def __init__(
        self,
        model: "PreTrainedModel",
        reads: int,
        limits: Sequence[int],
        rows: int,
        progress: OnGeneration | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Report that nothing is done yet.

        Args:
            reads: prompt tokens that will be read.
            limits: maximum new tokens of each answer.
            rows: maximum rows that run at once.
        """
        self._step_cost = STEP_COST if model.device.type == "cpu" else STEP_COST_ON_GPU
        self._rows = rows
        self._progress = progress
        self._clock = clock
        self._start_s = clock()
        self._done = self._tokens = 0
        self._unread, self._unwritten = reads, sum(limits)
        self._report(max(limits, default=0))

    def passed(
        self, longest: int, *, read: int = 0, tokens: int = 0, spared: int = 0, passes: int = 1
    ) -> None:
        """Count one pass, or several decoding passes, and report.

        Args:
            longest: minimum number of further steps if all answers reach their limits.
            read: prompt tokens that the pass read; 0 for a decoding step.
            tokens: tokens that the pass generated, end tokens included.
            spared: tokens no longer needed because answers ended in this pass below their limits.
            passes: number of decoding passes.
        """
        self._done += read + tokens + (0 if read else passes * self._step_cost)
        self._tokens += tokens
        self._unread -= read
        self._unwritten -= tokens + spared
        self._report(longest)

    def _report(self, longest: int) -> None:
        if self._progress:
            steps = max(longest, self._unwritten / max(self._rows, 1))
            left = self._unread + self._unwritten + steps * self._step_cost
            seconds = self._clock() - self._start_s
            self._progress(GenerationProgress(self._done, self._done + left, self._tokens, seconds))
