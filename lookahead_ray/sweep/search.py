"""What to try next: the references first, then what Optuna suggests. No Ray in here."""

import logging
import warnings
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import optuna
from optuna.trial import TrialState
from pydantic import ValidationError

from lookahead_ray.config.load import Sweep, content_hash, trial_json
from lookahead_ray.config.objective import FloorObjective
from lookahead_ray.config.search import GridSampler
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.sweep.grid import Point, all_points, grid_points
from lookahead_ray.sweep.journal import Journal, open_journal
from lookahead_ray.sweep.references import vanilla_point
from lookahead_ray.sweep.samplers import distribution, make_sampler, note_generation, suggest
from lookahead_ray.sweep.study import ROLE, TRIAL_ID, StudyLog, objective_names, outcome
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.label import label
from lookahead_ray.trial.record import Role, TrialRecord

MOST_REPEATS = 50  # suggestions in a row that are no new configuration, before other points are looked for
REFERENCE_ROLES: tuple[Role, ...] = ("seed", "vanilla")
NO_ESTIMATES: Mapping[str, Sequence[float]] = MappingProxyType({})


class Search:
    """Optuna's ask and tell over a sweep's space.

    The sampler draws from a study in memory, which holds exactly what was begun and ended: a draw that is not
    run, because its configuration was tried before or breaks a rule, leaves no trace that a sampler sees. The
    study in the journal is told the same.
    """

    def __init__(
        self,
        sweep: Sweep,
        committed: Sequence[TrialRecord],
        journal: Path | None = None,
        estimates: Mapping[str, Sequence[float]] = NO_ESTIMATES,
    ) -> None:
        """A search that goes on from the `committed` records.

        Args:
            journal: file of the study that others may look at; None for none.
            estimates: `tell`'s `estimated` for the committed trials that were stopped, by trial id.

        Raises:
            ConfigError: the space is no grid of a sane size, where the sampler is one.
            StoreError: the journal can't be written.
        """
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        optuna.logging.disable_default_handler()
        self._sweep = sweep
        self._constrained = isinstance(sweep.objective, FloorObjective)
        names = objective_names(sweep.objective)
        distributions = {d.name: distribution(d) for d in sweep.dimensions}
        self.study = optuna.create_study(directions=["maximize"] * len(names))
        self._memory = StudyLog(self.study, distributions)
        ids = [record.trial_id for record in committed if record.role == "search"]
        self._journal: Journal | None = None
        if journal is not None:
            self._journal = open_journal(journal, sweep.name, names, distributions, ids)
        self._tried: set[str] = set()  # config hashes
        self._again: deque[Job] = deque()
        self._next = 1
        self._studies: list[StudyLog] = [self._memory, *([self._journal] if self._journal else [])]
        for record in committed:
            if record.role == "search":
                self._replay(record, estimates.get(record.trial_id, ()))
            elif record.role == "vanilla" and record.status == "completed":
                self.learn_vanilla(record)
        self._reissue(ids)
        known = [trial.params for trial in self.study.get_trials(deepcopy=False)]
        points: list[Point] = [dict(point) for point in sweep.search.enqueue]
        if isinstance(sweep.search.sampler, GridSampler):
            points += grid_points(sweep)
        self._points = deque(p for p in points if not any(p.items() <= params.items() for params in known))

    def ask(self) -> Job | None:
        """The next job, or None when the space holds nothing new.

        First those that were running when a session ended, then enqueued points, then what the sampler draws.
        """
        if self._again:
            return self._again.popleft()
        while self._points:
            if found := self._new([self._points.popleft()]):
                return found
        if isinstance(self._sweep.search.sampler, GridSampler):
            return None
        return self._new([None] * MOST_REPEATS) or self._new(all_points(self._sweep))

    def tell(self, record: TrialRecord, estimated: Sequence[float] = ()) -> None:
        """Hand a search trial's end to the sampler.

        `estimated` is told of a trial that was stopped early: what the search maximises, and under a floor
        the constraint after it. Without it, and for a trial that failed, the study holds a failure.
        """
        for log in self._studies:
            log.end(record.trial_id, outcome(record, estimated, self._constrained))

    def learn_vanilla(self, record: TrialRecord) -> None:
        """Take vanilla fine-tuning as a trial of the study; its configuration is not run again."""
        self._tried.add(record.config_hash)
        for log in self._studies:
            if record.objectives and record.trial_id not in log:
                log.begin(record.trial_id, vanilla_point(self._sweep), {ROLE: "vanilla"})
                log.end(record.trial_id, outcome(record))

    def _new(self, points: Iterable[Point | None]) -> Job | None:
        """The first of these points, None being the sampler's choice, whose configuration is new."""
        for attempt, point in enumerate(points):
            drawn = self._draw(point, attempt)
            if drawn and (key := content_hash(trial_json(drawn[0]))) not in self._tried:
                config, params = drawn
                job = make_job(f"search-{self._next:03d}", "search", config, params)
                self._begin(job, key, self._studies)
                return job
        return None

    def _draw(self, point: Point | None, attempt: int) -> tuple[TrialConfig, dict[str, Any]] | None:
        """What the sampler suggests, around `point`; None where a rule between fields refuses it."""
        self.study.sampler = make_sampler(
            self._sweep.search.sampler, self._sweep.search.seed, self._next, attempt
        )
        if point is not None:
            self.study.enqueue_trial(dict(point))
        trial = self.study.ask()
        try:
            return self._sweep.trial(lambda dimension: suggest(trial, dimension)), dict(trial.params)
        except ValidationError as error:
            logging.getLogger(__name__).info("not run: %s: %s", trial.params, error)
            return None
        finally:
            self.study.tell(trial, state=TrialState.FAIL)

    def _begin(self, job: Job, config_hash: str, logs: Sequence[StudyLog]) -> None:
        self._tried.add(config_hash)
        self._next = max(self._next, int(job.trial_id.rpartition("-")[2]) + 1)
        for log in logs:
            log.begin(job.trial_id, job.params, {ROLE: "search", "label": job.label})
            note_generation(log.study, self._sweep.search.sampler)

    def _replay(self, record: TrialRecord, estimated: Sequence[float]) -> None:
        """Take up a committed trial where a study lacks it, or has it as running."""
        job = Job(record.trial_id, "search", record.config, record.params, label(record.config))
        self._begin(job, record.config_hash, [log for log in self._studies if record.trial_id not in log])
        for log in self._studies:
            if record.trial_id in log.running:
                log.end(record.trial_id, outcome(record, estimated, self._constrained))

    def _reissue(self, committed: Collection[str]) -> None:
        """Ask again, under their own ids, for the trials that were running when a session was killed."""
        for trial in self._journal.in_flight(committed) if self._journal else ():
            config = self._sweep.trial(lambda d, params=trial.params: params[d.name])  # type: ignore[misc]
            job = make_job(trial.user_attrs[TRIAL_ID], "search", config, dict(trial.params))
            self._begin(job, content_hash(trial_json(config)), [self._memory])
            self._again.append(job)


def make_job(trial_id: str, role: Role, config: TrialConfig, params: dict[str, Any]) -> Job:
    """A job with its configuration as JSON values and a few words that say what it tries."""
    resolved = trial_json(config)
    return Job(
        trial_id=trial_id, role=role, config=resolved, params=params, label=label(resolved, role, params)
    )


def reference_jobs(sweep: Sweep, committed: Sequence[TrialRecord]) -> list[Job]:
    """The seed model as it is, and vanilla fine-tuning, unless they are completed; failed ones again."""
    jobs = []
    for role in REFERENCE_ROLES:
        tries = [record for record in committed if record.role == role]
        if not any(record.status == "completed" for record in tries):
            trial_id = f"{role}-{len(tries) + 1}" if tries else role
            jobs.append(make_job(trial_id, role, sweep.reference(), {}))
    return jobs
