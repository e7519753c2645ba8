"""Where a running trial is, as a value."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from lookahead_ray.evaluate.results import Signal

Phase = Literal[
    "starting",  # processes, data, model
    "reference",  # the seed model's side of KL
    "preparing",  # what the method computes before training
    "building",  # FLOPs, DeepSpeed engine, restoring a checkpoint
    "training",
    "measuring",  # signals after an epoch; of an untrained model too
    "saving",  # checkpoints after epochs; merging adapters and writing the model
    "answering",
    "judging",
    "ending",
]
PHASES: tuple[Phase, ...] = get_args(Phase)
"""In their order; `ALTERNATING` ones take turns, epoch by epoch. A trial may skip phases."""

ALTERNATING: frozenset[Phase] = frozenset({"training", "measuring", "saving"})


@dataclass(frozen=True, slots=True)
class TrialProgress:
    """Where a running trial is."""

    phase: Phase
    detail: str  # a line for a person, e.g. "loading the model"
    done: float = 0.0  # units of the phase that are done, e.g. optimiser steps
    total: float = 0.0  # units in all; 0: unknown
    steps: int = 0  # optimiser steps of the whole trial; 0: none, or not known yet


OnProgress = Callable[[TrialProgress], None]

Decide = Callable[[Signal], bool]
"""Told what was measured after an epoch; whether training is to go on."""
