"""The replay of every searcher on the recorded grid with several random seeds, in two processes."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from benchmarks.search.grid import Grid
from benchmarks.search.searchers import Ours, Searcher, optunasearch, random_draws, shuffled
from benchmarks.search.visits import Trace, trace
from lookahead_ray.config.search import StoppingConfig, TpeSampler

PROCESSES = 2
SEARCHERS: Mapping[str, Searcher] = {
    "ours": Ours(TpeSampler(), None),
    "ours_stopping": Ours(TpeSampler(), StoppingConfig()),
    "optunasearch": optunasearch,
    "random": random_draws,
    "grid": shuffled,
}
LABELS: Mapping[str, str] = {
    "ours": "ours",
    "ours_stopping": "ours, stopping early",
    "optunasearch": "Ray's OptunaSearch",
    "random": "random search",
    "grid": "grid, shuffled",
}


def replay(grid: Grid, names: Sequence[str], seeds: int) -> dict[str, list[Trace]]:
    """Return the traces of each searcher, one per random seed from 0."""
    tasks = [(grid, name, seed) for name in names for seed in range(seeds)]
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        traces = list(pool.map(_one, *zip(*tasks, strict=True), chunksize=5))
    return {name: traces[place * seeds : (place + 1) * seeds] for place, name in enumerate(names)}


def _one(grid: Grid, name: str, seed: int) -> Trace:
    return trace(grid, SEARCHERS[name](grid, seed))
