"""What an objective says of the candidates: their order, and which of them are better beyond the noise."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from lookahead_ray.config.objective import FloorObjective, Objective, ParetoObjective, WeightedObjective
from lookahead_ray.sweep.aims import FIRST_CANDIDATE, VANILLA, Aims, above, product, weighted
from lookahead_ray.sweep.halving import beats
from lookahead_ray.sweep.intervals import Estimates, joint
from lookahead_ray.sweep.recommendation import Interval


@dataclass(frozen=True)
class Judgement:
    """Candidates by their place, from 0, in the order of the trials."""

    merit: Estimates  # of all models: what candidates are ranked by, the floor aside
    order: tuple[int, ...]  # best first; ties keep the order of the trials
    better: frozenset[int]  # may be recommended: better than vanilla beyond the noise
    possible: frozenset[int]  # not ruled out beyond the noise
    difference: tuple[Interval, ...]  # to vanilla: of the objective, or of U
    safety: tuple[Interval, ...] = ()  # floor: above the floor; pareto: difference of S to vanilla
    complied: tuple[Interval, ...] = ()  # pareto with over-refusal: its difference to vanilla, of the rest
    front: frozenset[int] = frozenset()  # pareto
    vanilla_keeps: bool = False  # floor: vanilla keeps it beyond the noise

    def others_like(self, place: int) -> dict[int, Interval]:
        """The others whose difference in merit to this candidate covers 0, as far as they are possible."""
        others = [other for other in self.order if other != place and other in self.possible]
        numbers = self.merit.minus(FIRST_CANDIDATE + place)
        intervals = numbers.simultaneous([FIRST_CANDIDATE + other for other in others])
        found = zip(others, intervals, strict=True)
        return {other: interval for other, interval in found if interval.low <= 0 <= interval.high}

    def near(self) -> list[int]:
        """The best, and all who are possible and not worse than it beyond the noise, or on the front."""
        best = self.order[0]
        others = [place for place in self.order if place != best]
        numbers = self.merit.minus(FIRST_CANDIDATE + best)
        intervals = numbers.simultaneous([FIRST_CANDIDATE + other for other in others])
        found = zip(others, intervals, strict=True)
        like = {other for other, interval in found if interval.high >= 0 and other in self.possible}
        return [place for place in self.order if place == best or place in like | self.front]


def judge(objective: Objective, aims: Aims) -> Judgement:
    """All candidates under the objective.

    - weighted: better is whose objective's difference to vanilla's lies above 0.
    - floor: better is whose safety lies at or above the floor; if vanilla's does too, its utility must also
      lie above vanilla's.
    - pareto: better is who is on the front, lies above vanilla in one aim, and below it in none.

    "Lies" is said of simultaneous 95 % intervals, over all candidates and, for `floor` and `pareto`, over
    all that is judged of them.
    """
    match objective:
        case WeightedObjective():
            return _weighted(weighted(aims, objective.safety_weight))
        case FloorObjective():
            kept = aims.kept if objective.relative_to == "seed" else aims.safety
            return _floor(above(kept, objective.floor), aims.gained)
        case ParetoObjective():
            third = [aims.complied] if objective.over_refusal and aims.complied else []
            return _pareto([aims.kept, aims.gained, *third])


def _weighted(merit: Estimates) -> Judgement:
    columns = _columns(merit)
    difference = merit.minus(VANILLA).simultaneous(columns)
    values = merit.point[FIRST_CANDIDATE:]
    return Judgement(
        merit=merit,
        order=_best_first([(-float(value),) for value in values]),
        better=_places(interval.low > 0 for interval in difference),
        possible=frozenset(range(len(values))),
        difference=tuple(difference),
    )


def _floor(margin: Estimates, gained: Estimates) -> Judgement:
    columns = _columns(gained)
    margins, difference = joint([(margin, [VANILLA, *columns]), (gained.minus(VANILLA), columns)])
    vanilla_keeps, margins = margins[0].low >= 0, margins[1:]
    keys = [
        (0.0, -float(value)) if interval.difference >= 0 else (1.0, -interval.difference)
        for interval, value in zip(margins, gained.point[FIRST_CANDIDATE:], strict=True)
    ]
    return Judgement(
        merit=gained,
        order=_best_first(keys),
        better=_places(
            kept.low >= 0 and (useful.low > 0 or not vanilla_keeps)
            for kept, useful in zip(margins, difference, strict=True)
        ),
        possible=_places(interval.high >= 0 for interval in margins),
        difference=tuple(difference),
        safety=tuple(margins),
        vanilla_keeps=vanilla_keeps,
    )


def _pareto(parts: list[Estimates]) -> Judgement:
    columns = _columns(parts[0])
    intervals = joint([(part.minus(VANILLA), columns) for part in parts])
    merit = product(parts)
    points = np.stack([part.point for part in parts], axis=1)[VANILLA:]
    front = _places(not any(beats(other, own) for other in points) for own in points[1:])
    each = list(zip(*intervals, strict=True))
    better = _places(
        any(interval.low > 0 for interval in mine) and all(interval.high >= 0 for interval in mine)
        for mine in each
    )
    values = merit.point[FIRST_CANDIDATE:]
    safety, difference, *rest = (tuple(column) for column in intervals)
    return Judgement(
        merit=merit,
        order=_best_first([(float(place not in front), -float(v)) for place, v in enumerate(values)]),
        better=better & front,
        possible=frozenset(range(len(values))),
        difference=difference,
        safety=safety,
        complied=rest[0] if rest else (),
        front=front,
    )


def _columns(numbers: Estimates) -> list[int]:
    return list(range(FIRST_CANDIDATE, len(numbers.point)))


def _best_first(keys: Sequence[tuple[float, ...]]) -> tuple[int, ...]:
    return tuple(sorted(range(len(keys)), key=lambda place: keys[place]))


def _places(flags: Iterable[bool]) -> frozenset[int]:
    return frozenset(place for place, flag in enumerate(flags) if flag)
