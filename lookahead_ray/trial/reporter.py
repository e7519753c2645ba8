"""Turns what a rank is at into progress."""

from dataclasses import dataclass, field, replace
from typing import Any

from lookahead_ray.train.step import Step
from lookahead_ray.trial.progress import OnProgress, TrialProgress

TRAIN_STARTS, EVALUATE_STARTS = 0.15, 0.65
"""Rough shares of a trial's time, for the progress bar."""


@dataclass
class Reporter:
    """Sends `TrialProgress`; every rank reports at the same points."""

    send: OnProgress
    total_steps: int
    progress: TrialProgress = field(init=False)

    def __post_init__(self) -> None:
        self.progress = TrialProgress("starting", "loading the model", 0, self.total_steps, None, None, 0.0)

    def tell(self, **changes: Any) -> None:
        """Send the last progress with these fields changed."""
        self.progress = replace(self.progress, **changes)
        self.send(self.progress)

    def on_step(self, step: Step) -> None:
        """After an optimiser step; some fifty of them are told."""
        every = max(1, self.total_steps // 50)
        if step.step % every == 0 or step.step == self.total_steps:
            done = step.step / self.total_steps
            self.tell(
                phase="training",
                detail=f"epoch {step.epoch:.1f}",
                step=step.step,
                loss=step.loss,
                tokens_per_second=step.tokens / step.seconds,
                fraction=TRAIN_STARTS + (EVALUATE_STARTS - TRAIN_STARTS) * done,
            )

    def on_phase(self, detail: str, done: float) -> None:
        """Before a part of the evaluation, of which the share `done` is over."""
        start = EVALUATE_STARTS if self.total_steps else TRAIN_STARTS
        self.tell(phase="evaluating", detail=detail, fraction=start + (1 - start) * done)
