"""How well the early signals of a recorded grid predict the results of its trials; the cost of stopping.

Early stopping is evaluated on the trials of the grid in random orders, with the product's own rule and as if
a sweep had run them one after another. It discards the best configuration if it stops that one early.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.stats import binomtest, pearsonr, rankdata  # type: ignore[import-untyped]

from benchmarks.search.grid import Grid
from benchmarks.search.visits import pair
from lookahead_ray.config.objective import FloorObjective, Objective, ParetoObjective, WeightedObjective
from lookahead_ray.config.search import StoppingConfig
from lookahead_ray.objective.dominance import front
from lookahead_ray.objective.registry import make_objective
from lookahead_ray.sweep.stopping.early_stopping import EarlyStopping
from lookahead_ray.trial.record import TrialRecord

ORDERS = 200
WEIGHTS = (0.25, 0.5, 0.75)
FLOORS = (0.8, 0.9)
Name = Literal["kl", "answer_loss"]
"""KL is compared with the final safety, the answer loss with the final utility."""


@dataclass(frozen=True, slots=True)
class Rank:
    """Spearman's rho of a signal after an epoch and the final result, with Fisher's 95 % interval.

    Lower signals are better, so −1 is perfect.
    """

    signal: Name
    epoch: int
    rho: float
    low: float
    high: float
    n: int  # trials


@dataclass(frozen=True, slots=True)
class Discards:
    """Number of `orders` in which an objective's best configuration was stopped, with Wilson's interval.

    For `pareto` any member of the front counts. `saved` is the share of training tokens that stopping saved.
    """

    objective: str
    count: int
    orders: int
    low: float
    high: float
    saved: float


def ranks(grid: Grid) -> list[Rank]:
    """Return the rank correlations of both signals after every epoch."""
    records = list(grid.points.values())
    epochs = min(len(record.signals) for record in records)
    return [_rank(records, name, epoch) for name in ("kl", "answer_loss") for epoch in range(1, epochs + 1)]


def discards(grid: Grid, stopping: StoppingConfig, orders: int = ORDERS) -> list[Discards]:
    """Return the cost of stopping under each objective: weighted, floor and pareto."""
    return [_discards(grid, name, objective, stopping, orders) for name, objective in objectives().items()]


def objectives() -> Mapping[str, Objective]:
    """Return the objectives under which stopping is evaluated, by their names in tables."""
    found: dict[str, Objective] = {
        f"weighted, w = {weight:g}": WeightedObjective(safety_weight=weight) for weight in WEIGHTS
    }
    found |= {f"floor {floor:g}": FloorObjective(name="floor", floor=floor) for floor in FLOORS}
    return found | {"pareto": ParetoObjective(name="pareto")}


def best(grid: Grid, objective: Objective) -> set[str]:
    """Return the points that must not be stopped: the best one, or the whole front."""
    search = make_objective(objective)
    scores = {point: search.score(record, grid.references) for point, record in grid.points.items()}
    if len(search.names) > 1:
        members = front(pair(record) for record in grid.points.values())
        return {point for point, record in grid.points.items() if pair(record) in members}
    feasible = [point for point, found in scores.items() if (found.constraint or 0) <= 0]
    return {max(feasible, key=lambda point: scores[point].objectives)} if feasible else set()


def stopped(grid: Grid, objective: Objective, config: StoppingConfig, seed: int) -> tuple[set[str], int]:
    """Return the points that are stopped in one random order, and the training tokens spent."""
    search = grid.sweep.search.model_copy(update={"stopping": config})
    rule = EarlyStopping(replace(grid.sweep, search=search, objective=objective), (), None)
    rule.learn([grid.vanilla], grid.references)
    order = sorted(grid.points)
    random.Random(seed).shuffle(order)
    ended, spent = set(), 0
    for point in order:
        signals = grid.points[point].signals
        epochs = len(signals)
        stops = (s for s in signals if not rule.may_continue(point, s, epochs, grid.references))
        last = next(stops, signals[-1])
        spent += last.train_tokens
        if last is not signals[-1]:
            ended.add(point)
    return ended, spent


def _discards(grid: Grid, name: str, objective: Objective, config: StoppingConfig, orders: int) -> Discards:
    wanted = best(grid, objective)
    runs = [stopped(grid, objective, config, seed) for seed in range(orders)]
    count = sum(bool(wanted & ended) for ended, _ in runs)
    interval = binomtest(count, orders).proportion_ci(method="wilson")
    whole = sum(record.signals[-1].train_tokens for record in grid.points.values())
    saved = 1 - float(np.mean([spent for _, spent in runs])) / whole
    return Discards(name, count, orders, float(interval.low), float(interval.high), saved)


def _rank(records: Sequence[TrialRecord], name: Name, epoch: int) -> Rank:
    pairs = list(_pairs(records, name, epoch))
    signal, outcome = zip(*pairs, strict=True)
    found = pearsonr(rankdata(signal), rankdata(outcome))
    interval = found.confidence_interval()
    return Rank(name, epoch, float(found.statistic), float(interval.low), float(interval.high), len(pairs))


def _pairs(records: Sequence[TrialRecord], name: Name, epoch: int) -> Iterator[tuple[float, float]]:
    for record in records:
        value = getattr(record.signals[epoch - 1], name)
        if value is not None:
            yield value, pair(record)[0 if name == "kl" else 1]
