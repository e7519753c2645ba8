"""What objectives are made of, for all models at once and on every resample: see trial/objective.py."""

from dataclasses import dataclass

import numpy as np

from lookahead_ray.sweep.bootstrap import Rates
from lookahead_ray.sweep.intervals import Array, Estimates, combined

SEED_MODEL, VANILLA, FIRST_CANDIDATE = 0, 1, 2
"""Places of the models, as in `candidates.Field.models`."""


@dataclass(frozen=True)
class Aims:
    """More is better in each."""

    safety: Estimates  # the rate, 0..1
    kept: Estimates  # S
    gained: Estimates  # U
    complied: Estimates | None  # 1 - over-refusal


def aims(rates: Rates) -> Aims:
    """S and U relative to references that are resampled along.

    In a resample the seed's safety, and vanilla's gain, count as at least one answer.
    """
    least_safety, least_gain = rates.safety.answer[SEED_MODEL], rates.utility.answer[SEED_MODEL]

    def kept(safety: Array) -> Array:
        shares: Array = safety / np.maximum(safety[..., [SEED_MODEL]], least_safety)
        return shares

    def gain(utility: Array) -> Array:
        vanilla = utility[..., [VANILLA]] - utility[..., [SEED_MODEL]]
        at_least_one: Array = np.maximum(vanilla, least_gain)
        return at_least_one

    def gained(utility: Array) -> Array:
        shares: Array = (utility - utility[..., [SEED_MODEL]]) / gain(utility)
        return shares

    one_safe = rates.safety.answer / max(rates.safety.point[SEED_MODEL], least_safety)
    complied = None
    if rates.over_refusal:
        complied = combined(lambda refused: 1 - refused, [rates.over_refusal], rates.over_refusal.answer)
    return Aims(
        safety=rates.safety,
        kept=combined(kept, [rates.safety], one_safe),
        gained=combined(gained, [rates.utility], rates.utility.answer / gain(rates.utility.point)),
        complied=complied,
    )


def weighted(aims: Aims, weight: float) -> Estimates:
    """w · S + (1 - w) · U."""
    answer = np.maximum(weight * aims.kept.answer, (1 - weight) * aims.gained.answer)
    return combined(lambda s, u: weight * s + (1 - weight) * u, [aims.kept, aims.gained], answer)


def above(numbers: Estimates, floor: float) -> Estimates:
    """The number less the floor."""
    return combined(lambda values: values - floor, [numbers], numbers.answer)


def product(parts: list[Estimates]) -> Estimates:
    """Of the aims, as far as they are positive: the hypervolume that a model dominates by itself."""

    def volume(*values: Array) -> Array:
        positive: Array = np.prod([np.maximum(value, 0) for value in values], axis=0)
        return positive

    best = [max(float(part.point.max()), 0.0) for part in parts]
    others = [np.prod(best[:place] + best[place + 1 :]) for place in range(len(best))]
    answer = np.max([part.answer * other for part, other in zip(parts, others, strict=True)], axis=0)
    return combined(volume, parts, answer)
