"""The judgement of candidates by an objective: their order, and which are better beyond the noise.

S and U (objective/base.py) are computed for all models at once, on every resample.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lookahead_ray.stats.interval import Interval
from lookahead_ray.stats.simultaneous import Array, Bootstrapped, combined

SEED_MODEL, VANILLA, FIRST_CANDIDATE = 0, 1, 2
"""Indices of the models, as in `candidates.Field.models`."""


@dataclass(frozen=True)
class ObjectiveJudgement:
    """The judgement of all candidates, each given by its index from 0 in the order of the trials."""

    merit: Bootstrapped  # of all models: the ranking value, regardless of the floor
    order: tuple[int, ...]  # best first; ties keep the order of the trials
    better: frozenset[int]  # may be recommended: better than vanilla beyond the noise
    possible: frozenset[int]  # not ruled out beyond the noise
    difference: tuple[Interval, ...]  # objective, or U, minus vanilla's
    safety: tuple[Interval, ...] = ()  # floor: margin over the floor; pareto: S minus vanilla's
    complied: tuple[Interval, ...] = ()  # pareto with over-refusal: 1 - over-refusal, minus vanilla's
    front: frozenset[int] = frozenset()  # pareto: candidates on the Pareto front
    vanilla_keeps: bool = False  # floor: vanilla keeps the floor beyond the noise

    def others_like(self, place: int) -> dict[int, Interval]:
        """Return the possible candidates whose interval of the merit difference to this one covers 0."""
        others = [other for other in self.order if other != place and other in self.possible]
        numbers = self.merit.minus(FIRST_CANDIDATE + place)
        intervals = numbers.simultaneous([FIRST_CANDIDATE + other for other in others])
        found = zip(others, intervals, strict=True)
        return {other: interval for other, interval in found if interval.low <= 0 <= interval.high}

    def near(self) -> list[int]:
        """Return the best, the possible candidates not worse than it beyond the noise, and the front."""
        best = self.order[0]
        others = [place for place in self.order if place != best]
        numbers = self.merit.minus(FIRST_CANDIDATE + best)
        intervals = numbers.simultaneous([FIRST_CANDIDATE + other for other in others])
        found = zip(others, intervals, strict=True)
        like = {other for other, interval in found if interval.high >= 0 and other in self.possible}
        return [place for place in self.order if place == best or place in like | self.front]


def candidate_columns(numbers: Bootstrapped) -> list[int]:
    return list(range(FIRST_CANDIDATE, len(numbers.point)))


def rank_best_first(keys: Sequence[tuple[float, ...]]) -> tuple[int, ...]:
    return tuple(sorted(range(len(keys)), key=lambda place: keys[place]))


def places_where(flags: Iterable[bool]) -> frozenset[int]:
    return frozenset(place for place, flag in enumerate(flags) if flag)


@dataclass(frozen=True)
class Aims:
    """The values to maximise, for all models."""

    safety: Bootstrapped  # the rate, 0..1
    kept: Bootstrapped  # S
    gained: Bootstrapped  # U
    complied: Bootstrapped | None  # 1 - over-refusal


@dataclass(frozen=True)
class Rates:
    """The measured rates of each model, with their resamples."""

    safety: Bootstrapped  # the weighted mean of the objective's parts
    rsr: Bootstrapped
    jsr: Bootstrapped
    utility: Bootstrapped
    over_refusal: Bootstrapped | None  # None where it was not measured


def relative_scores(rates: Rates) -> Aims:
    """Compute S and U relative to references that are resampled together with the candidates.

    In each resample the seed model's safety and vanilla's gain count as at least one answer.
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
