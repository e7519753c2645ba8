"""The visits of a searcher on a grid, and the quality reached over training tokens and generated tokens."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.search.grid import Grid, key, tokens
from lookahead_ray.objective.dominance import NOTHING_KEPT, Pair, hypervolume
from lookahead_ray.trial.record import TrialRecord

SAFETY_WEIGHT = 0.5
"""w of the weighted objective whose regret is computed."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One training of a searcher: its cost, and the points that were measured whole."""

    name: str  # equal for trainings that a searcher would not run twice
    tokens: int  # of training
    measured: tuple[TrialRecord, ...]
    generated: int = 0  # tokens of all answers, those of points that were not measured whole included
    stopped: bool = False  # before its last epoch, and so not measured


@dataclass(frozen=True, slots=True)
class Trace:
    """The state of a search after each training, vanilla first.

    `share` is the hypervolume of the measured points divided by that of the whole grid; `regret` is the
    grid's best weighted objective minus theirs.
    """

    tokens: tuple[int, ...]
    share: tuple[float, ...]
    regret: tuple[float, ...]
    stopped: int  # trainings that were stopped early
    trials: int  # trainings
    generated: tuple[int, ...] = ()  # tokens, in all; empty if not known

    def tokens_to(self, share: float) -> int | None:
        """Return the training tokens spent when `share` was reached; None if it was not reached."""
        return _first(self.tokens, self.share, share)

    def generated_to(self, share: float) -> int | None:
        """Return the tokens generated until `share` was reached; None if it was not reached."""
        return _first(self.generated, self.share, share)


def pair(record: TrialRecord) -> Pair:
    """Return S and U of a completed trial."""
    return record.objectives[0], record.objectives[1]


def weighted(point: Pair) -> float:
    """Return the weighted objective of S and U."""
    return SAFETY_WEIGHT * point[0] + (1 - SAFETY_WEIGHT) * point[1]


def whole_visit(grid: Grid, name: str, points: Sequence[TrialRecord], train_tokens: int) -> Visit:
    """Return the visit of a training whose `points` are all measured whole."""
    return Visit(name, train_tokens, tuple(points), sum(map(grid.generated, points)))


def trace(grid: Grid, visits: Iterable[Visit], reference: Pair = NOTHING_KEPT) -> Trace:
    """Run a searcher until it ends or has found the whole Pareto front.

    Every searcher pays for the seed model's measurement and for vanilla, at all its shares, first, and knows
    their results. A training that was run before costs nothing, because its results are known.
    """
    everything = list(map(pair, grid.records))
    whole, best = hypervolume(everything, reference), max(map(weighted, everything))
    known = grid.vanilla_points
    found = list(map(pair, known))
    spent, generated = [tokens(grid.vanilla)], [sum(map(grid.generated, (grid.seed, *known)))]
    share, regret = [hypervolume(found, reference) / whole], [best - max(map(weighted, found))]
    stopped = trials = 0
    for visit in paid_once(grid, visits):
        trials += 1
        stopped += visit.stopped
        found += map(pair, visit.measured)
        spent.append(spent[-1] + visit.tokens)
        generated.append(generated[-1] + visit.generated)
        share.append(hypervolume(found, reference) / whole)
        regret.append(best - max(map(weighted, found)))
        if share[-1] >= 1 - 1e-12:
            break
    return Trace(tuple(spent), tuple(share), tuple(regret), stopped, trials, tuple(generated))


def paid_once(grid: Grid, visits: Iterable[Visit]) -> Iterator[Visit]:
    """Yield the visits of trainings that were not run before."""
    seen = {key(grid.vanilla.params)}
    for visit in visits:
        if visit.name not in seen:
            seen.add(visit.name)
            yield visit


def _first(costs: Sequence[int], shares: Sequence[float], share: float) -> int | None:
    return next((cost for cost, reached in zip(costs, shares, strict=True) if reached >= share), None)
