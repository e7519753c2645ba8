"""Where a running trial is, as a value."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from lookahead_ray.evaluate.generation import Signal

Phase = Literal["starting", "training", "evaluating"]


@dataclass(frozen=True, slots=True)
class TrialProgress:
    """Where a running trial is."""

    phase: Phase
    detail: str  # what the phase is at, e.g. "loading the model" or "benign look-alikes"
    step: int  # optimiser steps done
    steps: int  # optimiser steps in all; 0 where nothing is trained
    loss: float | None  # nats per answer token, last step
    tokens_per_second: float | None  # training tokens of all ranks together, last step
    fraction: float  # estimated share of the whole trial that is done, 0..1


OnProgress = Callable[[TrialProgress], None]

Decide = Callable[[Signal], bool]
"""Told what was measured after an epoch; whether training is to go on."""
