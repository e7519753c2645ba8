"""Progress reports of a rank, at a bounded rate."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch

from lookahead_ray.data.chat import Rendered
from lookahead_ray.method.context import RowLoss
from lookahead_ray.method.reporting import Every, Report
from lookahead_ray.train.step import Step
from lookahead_ray.trial.progress import OnProgress, Phase, TrialProgress

REPORT_EVERY_S = 1.0


@dataclass
class ProgressReporter:
    """A sender of `TrialProgress`: at once when a phase begins or ends, else every `REPORT_EVERY_S` at most.

    All ranks report at the same points; no report waits for a device.
    """

    send: OnProgress
    clock: Callable[[], float] = time.monotonic
    total_steps: int = 0  # set once the data is known
    progress: TrialProgress = field(init=False)

    def __post_init__(self) -> None:
        self._every = Every(REPORT_EVERY_S, self.clock)
        self._trained = 0.0  # steps done, and the micro-batches of the current one as a fraction
        self._epoch = self._figures = ""  # as of the last step
        self.progress = TrialProgress("starting", "")
        self.report("starting", "reading the data")

    def report(self, phase: Phase, detail: str, done: float = 0.0, total: float = 0.0) -> None:
        """Send that `done` of `total` units of `phase` are done, unless the last report is too recent."""
        at_once = phase != self.progress.phase or total <= 0 or done >= total
        if self._every.due(at_once):
            self.progress = TrialProgress(phase, detail, done, total, self.total_steps)
            self.send(self.progress)

    def of(self, phase: Phase) -> Report:
        """Return `report` for one phase."""
        return partial(self.report, phase)

    def part_of(self, phase: Phase, index: int, parts: int) -> Report:
        """Return `report` for one of `parts` repetitions of a phase: each is one unit of the trial's total.

        The total of a repetition may change while it runs, as answers end early.
        """

        def report(detail: str, done: float = 0.0, total: float = 0.0) -> None:
            which = f"model {index + 1} of {parts} · " if parts > 1 else ""
            shares = (index + done / total, parts) if total else (0.0, 0.0)
            self.report(phase, f"{which}{detail}", *shares)

        return report

    def training_begins(self, steps_done: int) -> None:
        """Report the start of training, or its resumption after `steps_done` steps."""
        self._trained = steps_done
        self._report_training()

    def on_step(self, step: Step) -> None:
        """Report an optimiser step."""
        self._trained = step.step
        rate = step.tokens / step.seconds
        self._figures = f" · loss {step.loss:.3f} · {rate:,.0f} tokens/s"
        self._epoch = f" · epoch {step.epoch:.1f}"
        self._report_training()

    def report_micro_batches(self, row_loss: RowLoss, micro_batches: int) -> RowLoss:
        """Return `row_loss` that also reports each micro-batch: with many of them, one step can take minutes.

        Args:
            micro_batches: micro-batches of each rank in one optimiser step.
        """

        def run(model: torch.nn.Module, rows: Sequence[Rendered]) -> torch.Tensor:
            loss = row_loss(model, rows)
            self._trained = min(self._trained + 1 / micro_batches, int(self._trained) + 0.99)
            self._report_training()
            return loss

        return run

    def _report_training(self) -> None:
        step = f"step {int(self._trained)}/{self.total_steps}"
        detail = f"training{self._epoch} · {step}{self._figures}"
        self.report("training", detail, self._trained, self.total_steps)
