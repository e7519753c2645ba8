"""The visits of a searcher on a grid, and the quality reached over training tokens."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from benchmarks.search.grid import Grid, key, tokens
from lookahead_ray.objective.dominance import NOTHING_KEPT, Pair, hypervolume
from lookahead_ray.trial.record import TrialRecord

SAFETY_WEIGHT = 0.5
"""w of the weighted objective whose regret is computed."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One trial of a searcher: its cost, and whether it was trained to the end and evaluated."""

    point: str  # its key
    tokens: int
    completed: bool


@dataclass(frozen=True, slots=True)
class Trace:
    """The state of a search after each trial, vanilla first.

    `share` is the hypervolume of the evaluated trials divided by that of the whole grid; `regret` is the
    grid's best weighted objective minus theirs.
    """

    tokens: tuple[int, ...]
    share: tuple[float, ...]
    regret: tuple[float, ...]
    stopped: int  # trials that were stopped early
    trials: int

    def tokens_to(self, share: float) -> int | None:
        """Return the training tokens spent when `share` was reached; None if it was not reached."""
        return next((t for t, s in zip(self.tokens, self.share, strict=True) if s >= share), None)


def pair(record: TrialRecord) -> Pair:
    """Return S and U of a completed trial."""
    return record.objectives[0], record.objectives[1]


def weighted(point: Pair) -> float:
    """Return the weighted objective of S and U."""
    return SAFETY_WEIGHT * point[0] + (1 - SAFETY_WEIGHT) * point[1]


def trace(grid: Grid, visits: Iterable[Visit], reference: Pair = NOTHING_KEPT) -> Trace:
    """Run a searcher until it ends or has found the whole Pareto front.

    Every searcher pays for vanilla first and knows its result. A point that was run before costs nothing,
    because its result is known.
    """
    everything = [pair(record) for record in (grid.vanilla, *grid.points.values())]
    whole, best = hypervolume(everything, reference), max(map(weighted, everything))
    found = [pair(grid.vanilla)]
    spent = [tokens(grid.vanilla)]
    share, regret = [hypervolume(found, reference) / whole], [best - weighted(found[0])]
    stopped = trials = 0
    for visit in paid_once(grid, visits):
        trials += 1
        stopped += not visit.completed
        if visit.completed:
            found.append(pair(grid.points[visit.point]))
        spent.append(spent[-1] + visit.tokens)
        share.append(hypervolume(found, reference) / whole)
        regret.append(best - max(map(weighted, found)))
        if share[-1] >= 1 - 1e-12:
            break
    return Trace(tuple(spent), tuple(share), tuple(regret), stopped, trials)


def paid_once(grid: Grid, visits: Iterable[Visit]) -> Iterator[Visit]:
    """Yield the visits of points that were not run before."""
    seen = {key(grid.vanilla.params)}
    for visit in visits:
        if visit.point not in seen:
            seen.add(visit.point)
            yield visit
