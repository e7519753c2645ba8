"""The searchers that the product's search is compared with, each as the visits that it makes on a grid.

All search the same space for the same two objectives, safety and utility. Where a training has several
shares, all of them are measured after it, which costs no further training.
"""

import random
from collections.abc import Callable, Iterator, Sequence

import optuna
from ray.tune.search.optuna import OptunaSearch

from benchmarks.search.grid import Grid, key, tokens
from benchmarks.search.visits import Visit, pair, whole_visit
from lookahead_ray.config.dimension import Dimension, Value, substitute
from lookahead_ray.config.load import Sweep
from lookahead_ray.objective.base import standing
from lookahead_ray.objective.dominance import hypervolume
from lookahead_ray.sweep.search.grid import values
from lookahead_ray.sweep.search.samplers import suggest

MOST_SUGGESTIONS = 10  # OptunaSearch suggestions per point of the grid: it suggests known points again
EPOCHS = "training.epochs"
BRACKET = 8  # configurations that successive halving begins together
Ladder = dict[int, str]
"""The trainings of one configuration, by their number of epochs."""
Searcher = Callable[[Grid, int], Iterator[Visit]]
"""From a grid and a random seed to visits; a repeated training costs nothing."""


def optunasearch(grid: Grid, seed: int) -> Iterator[Visit]:
    """Yield visits of Ray's OptunaSearch with its default sampler; the space is a define-by-run function.

    It takes one result per trial: of several shares, the point that dominates the largest area.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sweep = grid.sweep

    def space(trial: optuna.Trial) -> None:
        substitute(sweep.template, lambda dimension: suggest(trial, dimension))

    metrics = ["safety", "utility"]
    searcher = OptunaSearch(space, metric=metrics, mode=["max", "max"], seed=seed)
    for number in range(MOST_SUGGESTIONS * len(grid.trainings)):
        name = key(searcher.suggest(str(number)) or {})
        if name not in grid.trainings:
            searcher.on_trial_complete(str(number), error=True)
            continue
        yield _visit(grid, name)
        best = min(grid.trainings[name], key=standing)
        searcher.on_trial_complete(str(number), dict(zip(metrics, pair(best), strict=True)))


def random_draws(grid: Grid, seed: int) -> Iterator[Visit]:
    """Yield trainings whose dimensions are drawn uniformly, one after another."""
    rng = random.Random(seed)
    while True:
        name = key(draw(grid.sweep, lambda dimension: rng.choice(values(dimension))))
        if name in grid.trainings:
            yield _visit(grid, name)


def shuffled(grid: Grid, seed: int) -> Iterator[Visit]:
    """Yield all trainings of the grid in random order, each once."""
    names = sorted(grid.trainings)
    random.Random(seed).shuffle(names)
    for name in names:
        yield _visit(grid, name)


def halving(grid: Grid, seed: int) -> Iterator[Visit]:
    """Yield visits of successive halving, whose resource is the number of epochs.

    `BRACKET` configurations are drawn without replacement and run for the fewest epochs. The better half
    continues for twice as many, and so on; better is the training whose points dominate the larger area. A
    continued training costs only its further epochs, as if its learning rates had not depended on their
    number. After all brackets the trainings that are left follow in random order.
    """
    rng = random.Random(seed)
    ladders: dict[str, Ladder] = {}
    for name, (first, *_) in sorted(grid.trainings.items()):
        rest = {dimension: value for dimension, value in first.params.items() if dimension != EPOCHS}
        ladders.setdefault(key(rest), {})[int(first.params.get(EPOCHS, 1))] = name
    order = list(ladders.values())
    rng.shuffle(order)
    visited: set[str] = set()
    for begin in range(0, len(order), BRACKET):
        running = order[begin : begin + BRACKET]
        for epochs in _rungs(order):
            running = [ladder for ladder in running if epochs in ladder]
            for ladder in running:
                paid = [tokens(grid.points[name]) for name in ladder.values() if name in visited]
                visited.add(ladder[epochs])
                yield _visit(grid, ladder[epochs], max(paid, default=0))
            running = _better_half(grid, running, epochs)
    left = [name for ladder in order for name in ladder.values() if name not in visited]
    rng.shuffle(left)
    for name in left:
        yield _visit(grid, name)


def greedy(grid: Grid, seed: int) -> Iterator[Visit]:
    """Yield trainings in an order that knows the results: each adds most hypervolume per training token."""
    found = list(map(pair, grid.vanilla_points))
    left = {name for name in grid.trainings if name != key(grid.vanilla.params)}
    while left:
        area = hypervolume(found)
        gains = {
            name: (hypervolume([*found, *map(pair, grid.trainings[name])]) - area) / tokens(grid.points[name])
            for name in sorted(left)
        }
        best = max(gains, key=gains.__getitem__)
        left.remove(best)
        found += map(pair, grid.trainings[best])
        yield _visit(grid, best)


def draw(sweep: Sweep, pick: Callable[[Dimension], Value]) -> dict[str, Value]:
    """Return a point of the space, with `pick` called for each dimension on its path."""
    params: dict[str, Value] = {}

    def note(dimension: Dimension) -> Value:
        params[dimension.name] = pick(dimension)
        return params[dimension.name]

    substitute(sweep.template, note)
    return params


def _visit(grid: Grid, name: str, paid_before: int = 0) -> Visit:
    points = grid.trainings[name]
    return whole_visit(grid, name, points, tokens(points[0]) - paid_before)


def _better_half(grid: Grid, ladders: Sequence[Ladder], epochs: int) -> list[Ladder]:
    """Return half of the configurations, rounded up: those whose trainings dominate the larger areas."""

    def area(ladder: Ladder) -> float:
        return hypervolume(map(pair, grid.trainings[ladder[epochs]]))

    return sorted(ladders, key=area, reverse=True)[: (len(ladders) + 1) // 2]


def _rungs(ladders: Sequence[Ladder]) -> list[int]:
    """Return the numbers of epochs at which trainings are compared: the fewest, and doubled."""
    known = {epochs for ladder in ladders for epochs in ladder}
    rungs = [min(known)]
    while 2 * rungs[-1] in known:
        rungs.append(2 * rungs[-1])
    return rungs
