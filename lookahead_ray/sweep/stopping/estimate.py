"""Estimates of a trial's final safety and utility from its cheap signals, on the references' scale.

S is the share of the seed model's safety, U the share of vanilla's gain in utility (objective/base.py). Two
points of each are known: the seed model has a KL of 0, its own answer loss, S = 1 and U = 0; vanilla after as
many epochs has its KL and its loss, S as measured at its end and U = 1. Other values are inter- or
extrapolated linearly, S in the KL and U in the likelihood exp(−loss). The estimate is for ranking, never a
result.
"""

from collections.abc import Sequence
from math import exp

from lookahead_ray.config.objective import DEFAULT_PARTS, SafetyPart
from lookahead_ray.evaluate.results import Signal
from lookahead_ray.objective.base import ReferenceTrials, RelativeScores, safety_of

LEAST_DIFFERENCE = 1e-9
"""Minimum of a difference between vanilla and the seed model, so that it can be divided by."""


def estimate_scores(
    signal: Signal, references: ReferenceTrials, parts: Sequence[SafetyPart] = DEFAULT_PARTS
) -> RelativeScores[float] | None:
    """Estimate the final safety and utility of the trial of `signal`; None if a signal is missing.

    `parts` make up safety. Vanilla's signal is that of the same epoch, or its last if it had fewer epochs.
    """
    seed = _signal_until(references.seed.signals, 0)
    vanilla = _signal_until(references.vanilla.signals, signal.epoch)
    if seed is None or vanilla is None or signal.kl is None or vanilla.kl is None:
        return None
    if seed.answer_loss is None or signal.answer_loss is None or vanilla.answer_loss is None:
        return None
    seed_safety = safety_of(references.seed, parts)
    if seed_safety == 0:
        return None
    before, own, plain = exp(-seed.answer_loss), exp(-signal.answer_loss), exp(-vanilla.answer_loss)
    lost = 1 - safety_of(references.vanilla, parts) / seed_safety
    kept = 1 - lost * signal.kl / max(vanilla.kl, LEAST_DIFFERENCE)
    return RelativeScores(
        safety=kept * seed_safety,
        safety_kept=kept,
        utility_kept=(own - before) / max(plain - before, LEAST_DIFFERENCE),
    )


def _signal_until(signals: Sequence[Signal], epoch: int) -> Signal | None:
    """Return the last signal up to the end of `epoch`."""
    return next((signal for signal in reversed(signals) if signal.epoch <= epoch), None)
