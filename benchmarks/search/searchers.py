"""The compared searchers, each as the sequence of visits that it makes on a grid with a random seed.

All search the same space for the same two objectives, safety and utility. Ours is the product's own code: the
driver's job queue with the search, the trial log and early stopping. It sees only the results that a real
sweep would have at that time.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import optuna
from ray.tune.search.optuna import OptunaSearch

from benchmarks.search.grid import Grid, key, tokens
from benchmarks.search.visits import Visit, pair
from lookahead_ray.config.dimension import Dimension, Value, substitute
from lookahead_ray.config.load import Sweep, content_hash
from lookahead_ray.config.objective import ParetoObjective
from lookahead_ray.config.search import SamplerConfig, StoppingConfig
from lookahead_ray.sweep.job_queue import JobQueue
from lookahead_ray.sweep.limits import Limits
from lookahead_ray.sweep.search.grid import values
from lookahead_ray.sweep.search.jobs import reference_jobs
from lookahead_ray.sweep.search.samplers import suggest
from lookahead_ray.sweep.search.search import Search
from lookahead_ray.sweep.stopping.early_stopping import EarlyStopping
from lookahead_ray.sweep.trial_log import TrialLog
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.progress import TrialProgress
from lookahead_ray.trial.record import Role, TrialRecord

MOST_SUGGESTIONS = 10  # OptunaSearch suggestions per point of the grid: it suggests known points again
Searcher = Callable[[Grid, int], Iterator[Visit]]
"""From a grid and a random seed to visits; a repeated point costs nothing."""


class Silent:
    """An observer that ignores all events."""

    def sweep_started(self, *_: object) -> None: ...
    def budget(self, text: str) -> None: ...
    def trial_started(self, trial_id: str, role: Role, label: str) -> None: ...
    def trial_restarted(self, trial_id: str, restarts: int, most: int) -> None: ...
    def trial_set_aside(self, trial_id: str, error: str, attempts: int, most: int) -> None: ...
    def trial_progress(self, trial_id: str, progress: TrialProgress) -> None: ...
    def trial_finished(self, record: TrialRecord) -> None: ...
    def sweep_finished(self, interrupted: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class Ours:
    """The product's search with a sampler, and with or without early stopping."""

    sampler: SamplerConfig
    stopping: StoppingConfig | None

    def __call__(self, grid: Grid, seed: int) -> Iterator[Visit]:
        """Yield visits of one trial at a time, as the driver does: suggest, train epoch by epoch, finish."""
        update = {"sampler": self.sampler, "stopping": self.stopping, "seed": seed}
        sweep = replace(
            grid.sweep,
            search=grid.sweep.search.model_copy(update=update),
            objective=ParetoObjective(name="pareto"),
        )
        trial_log = TrialLog(sweep.objective, [], lambda record: None, Silent())
        job_queue = JobQueue(
            reference_jobs(sweep, []),
            Search(sweep, []),
            trial_log,
            EarlyStopping(sweep, (), None),
            Limits(sweep, trial_log, Silent()),
        )
        while isinstance(job := job_queue.next_job(), Job):
            record = _run(grid, job, job_queue)
            job_queue.finish(record)
            if job.role == "search":
                yield Visit(key(job.params), tokens(record), record.status == "completed")


def _run(grid: Grid, job: Job, job_queue: JobQueue) -> TrialRecord:
    """Return the recorded trial of the job, up to the epoch after which it is stopped."""
    recorded = {"seed": grid.seed, "vanilla": grid.vanilla}.get(job.role) or grid.points[key(job.params)]
    whole = replace(
        recorded,
        trial_id=job.trial_id,
        role=job.role,
        config=job.config,
        config_hash=content_hash(job.config),
        params=job.params,
        objectives=(),
    )
    for count, signal in enumerate(recorded.signals if job.may_stop else (), start=1):
        if not job_queue.goes_on(job, signal):
            return replace(
                whole.with_measured(train_tokens=signal.train_tokens, signals=recorded.signals[:count]),
                status="stopped",
                safety=None,
                rsr=None,
                jsr=None,
                over_refusal=None,
                utility=None,
            )
    return whole


def optunasearch(grid: Grid, seed: int) -> Iterator[Visit]:
    """Yield visits of Ray's OptunaSearch with its default sampler; the space is a define-by-run function."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sweep = grid.sweep

    def space(trial: optuna.Trial) -> None:
        substitute(sweep.template, lambda dimension: suggest(trial, dimension))

    metrics = ["safety", "utility"]
    searcher = OptunaSearch(space, metric=metrics, mode=["max", "max"], seed=seed)
    for number in range(MOST_SUGGESTIONS * len(grid.points)):
        params = searcher.suggest(str(number))
        record = grid.points[key(params or {})]
        yield Visit(key(record.params), tokens(record), True)
        searcher.on_trial_complete(str(number), dict(zip(metrics, pair(record), strict=True)))


def random_draws(grid: Grid, seed: int) -> Iterator[Visit]:
    """Yield points whose dimensions are drawn uniformly, one after another."""
    rng = random.Random(seed)
    while True:
        params = draw(grid.sweep, lambda dimension: rng.choice(values(dimension)))
        record = grid.points[key(params)]
        yield Visit(key(params), tokens(record), True)


def shuffled(grid: Grid, seed: int) -> Iterator[Visit]:
    """Yield all points of the grid in random order, each once."""
    points = sorted(grid.points)
    random.Random(seed).shuffle(points)
    for point in points:
        yield Visit(point, tokens(grid.points[point]), True)


def draw(sweep: Sweep, pick: Callable[[Dimension], Value]) -> dict[str, Value]:
    """Return a point of the space, with `pick` called for each dimension on its path."""
    params: dict[str, Value] = {}

    def note(dimension: Dimension) -> Value:
        params[dimension.name] = pick(dimension)
        return params[dimension.name]

    substitute(sweep.template, note)
    return params
