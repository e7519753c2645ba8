"""The progress of a running trial, as a value."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from lookahead_ray.evaluate.results import Signal

Phase = Literal[
    "starting",  # processes, data, model
    "reference",  # the seed model's distributions for KL
    "preparing",  # the method's computations before training
    "building",  # FLOPs, DeepSpeed engine, restoring a checkpoint
    "training",
    "measuring",  # signals after an epoch; of an untrained model too
    "saving",  # checkpoints after epochs; merging adapters and writing the model
    "answering",
    "judging",
    "ending",
]
PHASES: tuple[Phase, ...] = get_args(Phase)
"""All phases in order; the `ALTERNATING` ones repeat in each epoch. A trial may skip phases."""

ALTERNATING: frozenset[Phase] = frozenset({"training", "measuring", "saving"})

MEASURING: frozenset[Phase] = frozenset({"answering", "judging"})
"""Phases that repeat for each share of a merge, and for each portion of the prompts."""


@dataclass(frozen=True, slots=True)
class TrialProgress:
    """The progress of a running trial."""

    phase: Phase
    detail: str  # human-readable line, e.g. "loading the model"
    done: float = 0.0  # units of the phase that are done, e.g. optimiser steps
    total: float = 0.0  # total units of the phase; 0: unknown
    steps: int = 0  # optimiser steps of the whole trial; 0: none, or not known yet


OnProgress = Callable[[TrialProgress], None]

Decide = Callable[[Signal], bool]
"""Called with the signal of an epoch; returns whether training continues."""
