"""The replay of every searcher on the recorded grid with several random seeds, in two processes."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from benchmarks.search.grid import Grid
from benchmarks.search.ours import Ours
from benchmarks.search.searchers import Searcher, greedy, halving, optunasearch, random_draws, shuffled
from benchmarks.search.visits import Trace, trace
from lookahead_ray.config.search import StoppingConfig

PROCESSES = 2
SEARCHERS: Mapping[str, Searcher] = {
    "ours": Ours(),
    "ours_stopping": Ours(stopping=StoppingConfig()),
    "ours_sequential": Ours(measure="sequential"),
    "tpe_share": Ours(shares="dimension"),
    "optunasearch": optunasearch,
    "halving": halving,
    "random": random_draws,
    "grid": shuffled,
    "greedy": greedy,
}
LABELS: Mapping[str, str] = {
    "ours": "ours",
    "ours_stopping": "ours, stopping early",
    "ours_sequential": "ours, sequential",
    "tpe_share": "TPE, share as a dimension",
    "optunasearch": "Ray's OptunaSearch",
    "halving": "successive halving",
    "random": "random search",
    "grid": "grid, shuffled",
    "greedy": "greedy, knows the results",
}
OF_SHARES = ("ours_sequential", "tpe_share")
"""Searchers for grids with several shares; early stopping by signals is for the others."""


def searchers_for(grid: Grid) -> list[str]:
    """Return the names of the searchers that a grid can be replayed with."""
    if len(grid.shares) == 1:
        return [name for name in SEARCHERS if name not in OF_SHARES]
    return [name for name in SEARCHERS if name != "ours_stopping"]


def replay(grid: Grid, names: Sequence[str], seeds: int) -> dict[str, list[Trace]]:
    """Return the traces of each searcher, one per random seed from 0."""
    tasks = [(grid, name, seed) for name in names for seed in range(seeds)]
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        traces = list(pool.map(_one, *zip(*tasks, strict=True), chunksize=5))
    return {name: traces[place * seeds : (place + 1) * seeds] for place, name in enumerate(names)}


def _one(grid: Grid, name: str, seed: int) -> Trace:
    return trace(grid, SEARCHERS[name](grid, seed))
