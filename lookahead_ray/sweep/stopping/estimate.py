"""Estimates of a trial's final safety and utility from its cheap signals, on the references' scale.

S is the share of the seed model's safety, U the share of vanilla's gain in utility (objective/base.py). Two
points of each are known: the seed model has a KL of 0, its own answer loss, S = 1 and U = 0; vanilla after as
many epochs has its KL and its loss, S as measured at its end and U = 1. Other values are inter- or
extrapolated linearly, S in the KL and U in the likelihood exp(−loss). The estimate is for ranking, never a
result.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

from lookahead_ray.config.objective import (
    DEFAULT_PARTS,
    FloorObjective,
    Objective,
    ParetoObjective,
    SafetyPart,
    WeightedObjective,
)
from lookahead_ray.evaluate.results import Signal
from lookahead_ray.objective.base import ReferenceTrials, safety_of

LEAST = 1e-9
BELOW_ALL = 1e6  # subtracted: below any utility


@dataclass(frozen=True, slots=True)
class EarlyEstimate:
    """Estimates of S and U."""

    safety: float
    utility: float


def estimated(
    signal: Signal, references: ReferenceTrials, parts: Sequence[SafetyPart] = DEFAULT_PARTS
) -> EarlyEstimate | None:
    """Estimate the final S and U of the trial of `signal`; None if one of the three signals is missing.

    `parts` make up safety. Vanilla's signal is that of the same epoch, or its last if it had fewer epochs.
    """
    seed, vanilla = _at(references.seed.signals, 0), _at(references.vanilla.signals, signal.epoch)
    if seed is None or vanilla is None or not safety_of(references.seed, parts):
        return None
    if signal.kl is None or vanilla.kl is None:
        return None
    losses = [each.answer_loss for each in (seed, signal, vanilla) if each.answer_loss is not None]
    if len(losses) < 3:
        return None
    begun, own, plain = (exp(-loss) for loss in losses)
    lost = 1 - safety_of(references.vanilla, parts) / safety_of(references.seed, parts)
    return EarlyEstimate(
        safety=1 - lost * signal.kl / max(vanilla.kl, LEAST),
        utility=(own - begun) / max(plain - begun, LEAST),
    )


def guess(estimate: EarlyEstimate, references: ReferenceTrials, objective: Objective) -> tuple[float, ...]:
    """Estimate the trial's objective values; with a floor objective the constraint is appended.

    Empty if over-refusal counts, because no signal measures it.
    """
    match objective:
        case WeightedObjective(safety_weight=weight):
            return (weight * estimate.safety + (1 - weight) * estimate.utility,)
        case FloorObjective(floor=floor, relative_to=base):
            scale = 1.0 if base == "seed" else safety_of(references.seed, objective.safety)
            return estimate.utility, floor - estimate.safety * scale
        case ParetoObjective(over_refusal=third):
            return () if third else (estimate.safety, estimate.utility)


def comparison_values(
    estimate: EarlyEstimate, references: ReferenceTrials, objective: Objective
) -> tuple[float, ...]:
    """Return the values by which trials are compared, each to be maximised.

    With a floor objective one number orders all: trials that keep the floor by utility, the others below them
    by safety.
    """
    if isinstance(objective, ParetoObjective):
        return estimate.safety, estimate.utility
    found = guess(estimate, references, objective)
    if isinstance(objective, FloorObjective):
        utility, constraint = found
        return (utility if constraint <= 0 else -constraint - BELOW_ALL,)
    return found


def _at(signals: Sequence[Signal], epoch: int) -> Signal | None:
    return next((signal for signal in reversed(signals) if signal.epoch <= epoch), None)
