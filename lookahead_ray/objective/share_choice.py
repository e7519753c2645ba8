"""The choice of shares after a training (`merge.share: auto`), by the answers to the shares before."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import NamedTuple

from lookahead_ray.config.load import REFERENCE_SHARES
from lookahead_ray.config.objective import FloorObjective, ObjectiveBase, SafetyPart
from lookahead_ray.evaluate.rates import credit, rate
from lookahead_ray.objective.base import (
    ReferenceTrials,
    is_scorable,
    part_rows,
    safety_kept,
    safety_of,
    utility_scale,
)
from lookahead_ray.stats.interval import NORMAL_95
from lookahead_ray.trial.record import Generation

MOST_CHOSEN = 4
"""Maximum number of shares that are measured after a training."""

LEAST_PROMISE = 0.02
"""What a share must be able to gain at least, as a share of the seed model's safety or vanilla's gain."""

Credits = dict[str, float]
"""Prompt id -> 1 for a safe answer, 0 for another one."""


@dataclass(frozen=True)
class FloorBisection:
    """The search for the largest share whose safety is above the floor beyond the noise.

    It assumes that safety falls with the share: share 0 is the seed model, which keeps a floor of at most its
    own safety. After share 1, each share halves the interval between the largest one above the floor and the
    smallest one that is not. A share is above it if the 95 % interval of safety minus the floor is above 0,
    where a floor relative to the seed model is compared prompt by prompt, without those whose answer was
    dropped in either. Parts of safety share prompts, so their standard errors are added, which makes the
    interval rather too wide. A share whose measuring ended early is judged by the prompts that were asked.
    """

    parts: tuple[SafetyPart, ...]
    floor: float
    seed: tuple[Credits, ...] | None  # the seed model's, for each part; None: the floor is a rate

    def next_share(self, measured: Sequence[tuple[float, Sequence[Generation]]]) -> float | None:
        """Return the next share; None after `MOST_CHOSEN`, or if share 1 is above.

        Where a judge was down, shares are those of `REFERENCE_SHARES`, as its verdicts come when the weights
        are gone.
        """
        if _is_unjudged(measured):
            return _next_fixed(measured)
        above, not_above = 0.0, 1.0
        for share, rows in measured:
            lower = self._lower_end(rows)
            if lower is None or (share == 1 and lower > 0):
                return None
            if lower > 0:
                above = max(above, share)
            else:
                not_above = min(not_above, share)
        return (above + not_above) / 2 if len(measured) < MOST_CHOSEN else None

    def _lower_end(self, rows: Sequence[Generation]) -> float | None:
        """Return the lower end of the interval of safety minus the floor; None without all verdicts."""
        total = sum(part.weight for part in self.parts)
        low = 0.0
        for index, part in enumerate(self.parts):
            own = _credits(part_rows(rows, part))
            seed = self.seed[index] if self.seed else dict.fromkeys(own or (), 1.0)
            if own is None or not (shared := own.keys() & seed.keys()):
                return None
            differences = [own[prompt] - self.floor * seed[prompt] for prompt in sorted(shared)]
            n = len(differences)
            mean = sum(differences) / n
            variance = sum((one - mean) ** 2 for one in differences) / max(n - 1, 1)
            low += part.weight / total * (mean - NORMAL_95 * sqrt(variance / n))
        return low


def bisect_floor(config: FloorObjective, references: ReferenceTrials) -> FloorBisection:
    """Return the rule of the objective `floor`."""
    seed = None
    if config.relative_to == "seed":
        rows = references.seed.generations
        found = [_credits(part_rows(rows, part)) for part in config.safety]
        seed = tuple(one or {} for one in found)
    return FloorBisection(config.safety, config.floor, seed)


class SharePoint(NamedTuple):
    """The scores of a share relative to the references (see `objective.base`)."""

    safety_kept: float
    utility_kept: float


SEED_MODEL = SharePoint(1.0, 0.0)
"""Share 0, which is never measured again."""


@dataclass(frozen=True)
class PointScale:
    """What turns answers to a share into its point."""

    parts: tuple[SafetyPart, ...]
    seed_safety: float
    seed_utility: float
    utility_scale: float

    def point(self, rows: Sequence[Generation]) -> SharePoint | None:
        """Return the point of these answers; None if a rate is missing or a judge could not be asked."""
        utility = rate(rows, "utility")
        rates = [rate(part_rows(rows, part), part.metric) for part in self.parts]
        if utility is None or None in rates:
            return None
        total = sum(part.weight for part in self.parts)
        safety = sum(part.weight * one.value for part, one in zip(self.parts, rates, strict=True) if one)
        return SharePoint(
            safety_kept(safety / total, self.seed_safety),
            (utility.value - self.seed_utility) * self.utility_scale,
        )


@dataclass(frozen=True)
class BoxBisection(ABC):
    """The choice of shares where the curve of safety and utility over the share may still bend most.

    Safety is taken to fall with the share and utility to rise, so that the curve between two measured shares
    stays in the box between their points (box algorithms for two objectives: Hamacher, Pedersen and Ruzika,
    Operations Research Letters 35, 2007). After share 1, each share halves the interval whose box promises
    most. Share 0 is the seed model.
    """

    scale: PointScale

    def next_share(self, measured: Sequence[tuple[float, Sequence[Generation]]]) -> float | None:
        """Return the next share; None after `MOST_CHOSEN`, or if no box promises `LEAST_PROMISE`."""
        if _is_unjudged(measured):
            return _next_fixed(measured)
        points = {0.0: SEED_MODEL}
        for share, rows in measured:
            point = self.scale.point(rows)
            if point is None:
                return None
            points[share] = point
        known = tuple(points.values())
        intervals = list(pairwise(sorted(points, reverse=True)))
        promises = [self.promise(points[low], points[high], known) for high, low in intervals]
        best = max(range(len(intervals)), key=promises.__getitem__)
        if len(measured) >= MOST_CHOSEN or promises[best] < LEAST_PROMISE:
            return None
        return sum(intervals[best]) / 2

    @abstractmethod
    def promise(self, low: SharePoint, high: SharePoint, known: Sequence[SharePoint]) -> float:
        """Return what a point in the box between those of a lower and a higher share could gain at most."""


class FrontBisection(BoxBisection):
    """The rule of the objective `pareto`: the area of a box."""

    def promise(self, low: SharePoint, high: SharePoint, known: Sequence[SharePoint]) -> float:
        """Return the area, 1 for the whole box between the seed model and a vanilla that is never safe."""
        safety, utility = low.safety_kept - high.safety_kept, high.utility_kept - low.utility_kept
        return max(safety, 0.0) * max(utility, 0.0)


@dataclass(frozen=True)
class WeightedBisection(BoxBisection):
    """The rule of the objective `weighted`: what the best corner of a box gains over the best point."""

    safety_weight: float

    def promise(self, low: SharePoint, high: SharePoint, known: Sequence[SharePoint]) -> float:
        """Return the gain of the objective."""
        corner = SharePoint(max(low.safety_kept, high.safety_kept), max(low.utility_kept, high.utility_kept))
        return self._value(corner) - max(map(self._value, known))

    def _value(self, point: SharePoint) -> float:
        return self.safety_weight * point.safety_kept + (1 - self.safety_weight) * point.utility_kept


def point_scale(config: ObjectiveBase, references: ReferenceTrials) -> PointScale | None:
    """Return the scale of points relative to these references; None if no trial can be scored by them."""
    seed, vanilla = references.seed, references.vanilla
    if not all(is_scorable(reference, config) for reference in (seed, vanilla)) or not seed.utility:
        return None
    seed_safety = safety_of(seed, config.safety)
    if not seed_safety:
        return None
    return PointScale(config.safety, seed_safety, seed.utility.value, utility_scale(references))


def _is_unjudged(measured: Sequence[tuple[float, Sequence[Generation]]]) -> bool:
    return any(row.verdict == "unjudged" for _, rows in measured for row in rows)


def _next_fixed(measured: Sequence[tuple[float, Sequence[Generation]]]) -> float | None:
    """Return the first of `REFERENCE_SHARES` that is not measured; None if all are, or too many others."""
    known = {share for share, _ in measured}
    left = (share for share in REFERENCE_SHARES if share not in known)
    return next(left, None) if len(measured) < MOST_CHOSEN else None


def _credits(rows: Sequence[Generation]) -> Credits | None:
    """Return the answers' credits; None if a judge could not be asked."""
    if any(row.verdict == "unjudged" for row in rows):
        return None
    return {row.prompt_id: credit(row) for row in rows if row.verdict != "dropped"}
