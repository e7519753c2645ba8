"""The product's own search on a grid: the driver's job queue with the search, trial log and early stopping.

It sees only the results that a real sweep would have at that time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from benchmarks.search.answers import METRICS
from benchmarks.search.grid import Grid, Training, key, share_of, tokens
from benchmarks.search.sequential import Measured, measure
from benchmarks.search.visits import Visit
from lookahead_ray.config import merge
from lookahead_ray.config.load import Sweep, content_hash
from lookahead_ray.config.merge import with_share
from lookahead_ray.config.objective import Objective, ParetoObjective
from lookahead_ray.config.search import SamplerConfig, StoppingConfig, TpeSampler
from lookahead_ray.evaluate.rates import rate
from lookahead_ray.sweep.job_queue import JobQueue
from lookahead_ray.sweep.limits import Limits
from lookahead_ray.sweep.search.jobs import reference_jobs
from lookahead_ray.sweep.search.search import Search
from lookahead_ray.sweep.stopping.early_stopping import EarlyStopping
from lookahead_ray.sweep.trial_log import TrialLog
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.progress import TrialProgress
from lookahead_ray.trial.record import Role, TrialRecord, failed_record, job_of_point

SHARE_DIMENSION = "merge.share"
TPE, PARETO = TpeSampler(), ParetoObjective(name="pareto")
UNLIMITED = 1_000_000  # trials of a search; a finite space ends it earlier
Shares = Literal["list", "dimension", "none"]
"""`list`: all shares are measured after each training. `dimension`: the share is one more dimension, and each
training measures one. `none`: trained models as they are."""


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
class Step:
    """One training of a sweep, and all records of the sweep after it."""

    visit: Visit
    records: Sequence[TrialRecord]


@dataclass(frozen=True, slots=True)
class Ours:
    """The product's search with its settings."""

    sampler: SamplerConfig = TPE
    stopping: StoppingConfig | None = None
    shares: Shares = "list"
    measure: Literal["whole", "sequential"] = (
        "whole"  # `search.measure`; `sequential` needs a grid with answers
    )
    objective: Objective = PARETO

    def __call__(self, grid: Grid, seed: int) -> Iterator[Visit]:
        """Yield the visits of one training at a time."""
        return (step.visit for step in self.steps(grid, seed))

    def steps(self, grid: Grid, seed: int) -> Iterator[Step]:
        """Run one training at a time, as the driver does: suggest, train epoch by epoch, measure, finish.

        A training that a grid lacks, because its recording has not ended, fails without any cost.
        """
        grid = grid.answered if self.measure == "sequential" else grid
        settings = {"sampler": self.sampler, "stopping": self.stopping, "measure": self.measure}
        update = {**settings, "seed": seed, "trials": UNLIMITED}
        sweep = replace(
            with_shares(grid.sweep, self.shares, grid.shares),
            search=grid.sweep.search.model_copy(update=update),
            objective=self.objective,
        )
        trial_log = TrialLog(sweep.objective, [], lambda *records: None, Silent())
        job_queue = JobQueue(
            reference_jobs(sweep, []),
            Search(sweep, []),
            trial_log,
            EarlyStopping(sweep, (), None),
            Limits(sweep, trial_log, Silent()),
            search_config=sweep.search,
        )
        while isinstance(job := job_queue.next_job(), Job):
            recorded = _recorded(grid, job)
            if not recorded:
                job_queue.finish(failed_record(job, "grid", "", 0.0, "the grid lacks it"))
                continue
            records, visit = self._run(grid, job, recorded, job_queue)
            job_queue.finish(*records)
            if job.role == "search":
                yield Step(visit, trial_log.records)

    def _run(
        self, grid: Grid, job: Job, recorded: Training, job_queue: JobQueue
    ) -> tuple[list[TrialRecord], Visit]:
        """Return the records of the job's training, up to the epoch after which it is stopped."""
        points = [_of_job(job, record, number) for number, record in enumerate(recorded, start=1)]
        first = grid.trainings.get(_training_key(job), recorded)[0]
        name = key(job.params)
        for count, signal in enumerate(first.signals if job.may_stop else (), start=1):
            if not job_queue.goes_on(job, signal):
                stopped = _stopped(points[0], signal.train_tokens, count)
                return [stopped], Visit(name, signal.train_tokens, (), stopped=True)
        if not job.end_measuring:
            return points, Visit(name, tokens(first), recorded, sum(map(grid.generated, recorded)))
        parts = [measure(job.end_measuring, grid.prompts, grid.answers[one.trial_id]) for one in recorded]
        whole = [one for one, part in zip(recorded, parts, strict=True) if not part.ended_because]
        generated = sum(part.generated for part in parts)
        return list(map(_ended, points, parts)), Visit(name, tokens(first), tuple(whole), generated)


def with_shares(sweep: Sweep, shares: Shares, of: Sequence[float]) -> Sweep:
    """Return the sweep with shares `of` as a list, as a dimension, or without any."""
    if "merge" not in sweep.template or shares == "list":
        return sweep
    rest = {name: part for name, part in sweep.template.items() if name != "merge"}
    if shares == "none":
        return replace(sweep, template=rest)
    merge = {**sweep.template["merge"], "share": {"choice": list(of)}}
    return replace(sweep, template={**rest, "merge": merge})


def _recorded(grid: Grid, job: Job) -> Training:
    """Return the points that the job measures, the largest share first; none if the grid lacks them."""
    if job.role == "seed":
        return (grid.seed,)
    share = merge.share_of(job.config)
    wanted = share if isinstance(share, list | tuple) else [share]
    points = grid.vanilla_points if job.role == "vanilla" else grid.trainings.get(_training_key(job), ())
    return tuple(record for record in points if share_of(record) in wanted)


def _training_key(job: Job) -> str:
    return key({name: value for name, value in job.params.items() if name != SHARE_DIMENSION})


def _of_job(job: Job, record: TrialRecord, number: int) -> TrialRecord:
    """Return the recorded point as that of the job's training with this number, from 1; not scored yet."""
    config = with_share(job.config, share_of(record)) if job.trains else job.config
    point = job_of_point(job, number)
    return replace(
        record,
        trial_id=point.trial_id,
        training_id=job.trial_id if job.trains else None,
        role=point.role,
        config=config,
        config_hash=content_hash(config),
        params=job.params,
        objectives=(),
    )


def _ended(record: TrialRecord, part: Measured) -> TrialRecord:
    """Return the record of a point that was measured on this part of the prompts."""
    if not part.ended_because:
        return record
    rows = part.generations
    rates: dict[str, Any] = {metric: rate(rows, metric) for metric in METRICS}
    partial = record.with_measured(generations=rows, asked=len(rows), ended_because=part.ended_because)
    return replace(partial, status="partial", **rates)


def _stopped(record: TrialRecord, train_tokens: int, epochs: int) -> TrialRecord:
    """Return the record of a training that was stopped after these epochs."""
    whole = record.with_measured(train_tokens=train_tokens, signals=record.signals[:epochs])
    return replace(whole, status="stopped", safety=None, rsr=None, jsr=None, over_refusal=None, utility=None)
