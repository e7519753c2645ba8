"""What measuring in portions saves on a recorded grid, by objective, and the good points that it ends."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.search.figures import Spread, spread
from benchmarks.search.grid import Grid
from benchmarks.search.sequential import measure
from benchmarks.search.visits import pair
from lookahead_ray.config.objective import FloorObjective, Objective, ParetoObjective, WeightedObjective
from lookahead_ray.objective.base import ReferenceTrials, standing, with_score
from lookahead_ray.objective.dominance import front
from lookahead_ray.objective.measuring_end import end_rule
from lookahead_ray.objective.registry import make_objective
from lookahead_ray.objective.search_objective import SearchObjective
from lookahead_ray.trial.record import TrialRecord

OBJECTIVES: tuple[tuple[str, Objective], ...] = (
    ("weighted, w = 0.5", WeightedObjective()),
    ("floor 0.9", FloorObjective(name="floor", floor=0.9)),
    ("floor 0.8", FloorObjective(name="floor", floor=0.8)),
    ("pareto", ParetoObjective(name="pareto")),
)


@dataclass(frozen=True, slots=True)
class Saving:
    """Measuring in portions under one objective, over random orders of the trainings."""

    objective: str
    generated: Spread  # tokens, divided by those of measuring every point whole
    ended: Spread  # points that ended early
    points: int  # of the grid
    lost: int  # orders in which the best point, or one of the front, ended early
    orders: int


def savings(grid: Grid, orders: int) -> list[Saving]:
    """Return the saving under each objective, with the product's rule; random orders from seed 0."""
    return [_saving(grid.answered, name, objective, orders) for name, objective in OBJECTIVES]


def lines(found: Sequence[Saving]) -> Iterator[str]:
    """Yield the savings in sentences."""
    for one in found:
        share, ended = one.generated, one.ended
        what = "a point of the front" if one.objective == "pareto" else "the best point"
        yield (
            f"{one.objective}: {share.median:.2f} [{share.q25:.2f}, {share.q75:.2f}] of the tokens, "
            f"{ended.median:g} of {one.points} points end early, {what} in {one.lost} of {one.orders} orders"
        )


def _saving(grid: Grid, name: str, config: Objective, orders: int) -> Saving:
    objective = make_objective(config)
    vanilla = with_score(grid.vanilla, objective.score(grid.vanilla, grid.references))
    references = ReferenceTrials(grid.seed, vanilla)
    trainings = [
        tuple(with_score(point, objective.score(point, references)) for point in points)
        for points in grid.trainings.values()
    ]
    best = _best(trainings)
    whole = sum(grid.generated(point) for points in trainings for point in points)
    shares, counts, lost = [], [], 0
    for seed in range(orders):
        random.Random(seed).shuffle(order := list(trainings))
        spent, ended = _measured(grid, objective, references, order)
        shares.append(spent / whole)
        counts.append(len(ended))
        lost += bool(ended & best)
    points = sum(map(len, trainings))
    return Saving(name, spread(shares), spread(counts), points, lost, orders)


def _measured(
    grid: Grid,
    objective: SearchObjective[Objective],
    references: ReferenceTrials,
    order: Sequence[Sequence[TrialRecord]],
) -> tuple[int, set[str]]:
    """Return the tokens generated in this order of trainings, and the points that ended early."""
    known: list[TrialRecord] = []
    spent, ended = 0, set[str]()
    for points in order:
        rule = end_rule(objective.comparisons(references, known))
        for point in points:
            found = measure(rule, grid.prompts, grid.answers[point.trial_id]) if rule else None
            spent += found.generated if found else grid.generated(point)
            if found and found.ended_because:
                ended.add(point.trial_id)
        known += [point for point in points if point.trial_id not in ended]
    return spent, ended


def _best(trainings: Sequence[Sequence[TrialRecord]]) -> set[str]:
    """Return the points that must be measured whole: the best one, or the whole front."""
    points = [point for training in trainings for point in training]
    if len(points[0].objectives) > 1:
        members = front(map(pair, points))
        return {point.trial_id for point in points if pair(point) in members}
    return {min(points, key=standing).trial_id}
