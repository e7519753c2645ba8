"""The search for the next trial: the references first, then Optuna's suggestions. Does not use Ray."""

import logging
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import optuna
from optuna.trial import TrialState
from pydantic import ValidationError

from lookahead_ray.config.dimension import substitute, with_parents
from lookahead_ray.config.judge import without_limits
from lookahead_ray.config.load import Sweep, content_hash, trial_json
from lookahead_ray.config.merge import share_of
from lookahead_ray.config.search import GridSampler
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.objective.base import ObjectiveValues, ReferenceTrials
from lookahead_ray.objective.registry import make_objective
from lookahead_ray.sweep.search.grid import Point, all_points, grid_points
from lookahead_ray.sweep.search.jobs import make_job, number_of
from lookahead_ray.sweep.search.journal import Journal, open_journal
from lookahead_ray.sweep.search.references import references_among, vanilla_point
from lookahead_ray.sweep.search.samplers import distribution, make_sampler, note_generation, suggest
from lookahead_ray.sweep.search.study import (
    ROLE,
    TRIAL_ID,
    Outcome,
    StudyLog,
    outcome,
    rates,
    representative_points,
)
from lookahead_ray.sweep.search.warm_start import WarmTrial
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.label import label
from lookahead_ray.trial.record import TrialRecord
from lookahead_ray.trial.trainings import group_by_training, points_of_vanilla, search_trials

MOST_REPEATS = 50  # consecutive suggestions without a new configuration before the space is enumerated
NO_ESTIMATES: Mapping[str, ObjectiveValues] = MappingProxyType({})


class Search:
    """Optuna's ask and tell over a sweep's space.

    The sampler draws from a study in memory, which holds exactly the trials that began and ended: a draw that
    is not run, because its configuration was tried before or breaks a rule, leaves no trace for the sampler.
    The study in the journal receives the same trials.

    A training whose merge has several shares is one trial of the study, with the values of its best point. If
    there are several values, further points of its own front follow as trials with the same parameters
    (`representative_points`). They do not count as start-up trials of the sampler.
    """

    def __init__(
        self,
        sweep: Sweep,
        committed: Sequence[TrialRecord],
        journal: Path | None = None,
        estimates: Mapping[str, ObjectiveValues] = NO_ESTIMATES,
        *,
        sweep_id: str = "",
        warm: Sequence[WarmTrial] = (),
        journal_changed: Callable[[], None] = lambda: None,
    ) -> None:
        """Create a search that continues from the `committed` records.

        Args:
            journal: file of the study for other programs to read; None for no file.
            estimates: estimated values of the committed trials that ended early, by trial id.
            sweep_id: identifies the sweep's study in a journal that several sweeps share.
            warm: trials of earlier sweeps for the sampler, scored against this sweep's references.
            journal_changed: called after a trial has begun or ended in the journal.

        Raises:
            ConfigError: the sampler is a grid, and the space makes no grid of a valid size.
            StoreError: the journal can't be written.
        """
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        optuna.logging.disable_default_handler()
        self._sweep = sweep
        self._warm = warm
        self._objective = make_objective(sweep.objective)
        self._tried: set[str] = set()  # see `_key`
        self._further = 0  # trials of the study that are further points of a training
        self._next = 1
        grid = isinstance(sweep.search.sampler, GridSampler)
        self._rest = iter(grid_points(sweep)) if grid else _each(lambda: all_points(sweep))
        names = list(self._objective.names)
        distributions = {d.name: distribution(d) for d in sweep.dimensions}
        self.study = optuna.create_study(directions=["maximize"] * len(names))
        self._studies = [StudyLog(self.study, distributions)]
        self._journal: Journal | None = None
        searched = search_trials(committed)
        if journal is not None:
            ids = [record.trial_id for record in searched]
            study_name = f"{sweep.name} {sweep_id}".strip()
            self._journal = open_journal(journal, study_name, names, distributions, ids, journal_changed)
            self._journal.describe({"sweep": sweep.name, "sweep_id": sweep_id})
            self._studies.append(self._journal)
        self._again = deque(self._in_flight(searched))
        if references := references_among(committed):
            self.learn_references(references, points_of_vanilla(committed))
        self._replay(searched, estimates)
        self._points = deque(self._not_tried(searched))

    def ask(self) -> Job | None:
        """Return the next job, or None when the space holds no new configuration.

        The order is: trials that were running when a session ended, enqueued points, the sampler's draws and,
        once these yield nothing new, the rest of a finite space.
        """
        if self._again:
            return self._again.popleft()
        while self._points:
            if job := self._new(self._completions(self._points.popleft())):
                return job
        if isinstance(self._sweep.search.sampler, GridSampler):
            return self._new(self._rest)
        return self._new([None] * MOST_REPEATS) or self._new(self._rest)

    def tell(
        self,
        record: TrialRecord,
        estimated: ObjectiveValues | None = None,
        further: Sequence[TrialRecord] = (),
    ) -> None:
        """Report a search trial's end to the sampler, with the `further` points of its training.

        `estimated` are the estimated values of a trial that ended early. Without them, and for a failed
        trial, the study records a failure. An unjudged trial goes on running for the sampler, until all its
        points are judged and it is reported again.
        """
        points = (record, *further)
        if any(point.status == "unjudged" for point in points):
            return
        self._note_points(points, "search", estimated)

    def learn_references(self, references: ReferenceTrials, points: Sequence[TrialRecord] = ()) -> None:
        """Add vanilla fine-tuning, if the space contains it, and warm trials to the study.

        Vanilla's configuration is not run again; a warm trial's may be. `points` are the further ones of
        vanilla's training; an older run has none. While one of them is unjudged, vanilla goes on running for
        the sampler, until it is reported again.
        """
        vanilla = (references.vanilla, *points)
        self._tried |= {_key(record.config) for record in vanilla}
        warm = group_by_training(trial.scored(references, self._objective) for trial in self._warm)
        known = [("warm_start", one) for one in warm]
        if (point := vanilla_point(self._sweep)) is not None:
            in_space = self._sweep.trial(lambda dimension: point[dimension.name])
            shares = {one.merge.kept for one in in_space.points}
            measured = [replace(one, params=point) for one in vanilla if share_of(one.config) in shares]
            if len(measured) == len(shares):
                known.append(("vanilla", measured))
                self._tried.add(_key(trial_json(in_space)))
        for role, trained in known:
            is_judged = all(record.status != "unjudged" for record in trained)
            if any(record.objectives for record in trained) or not is_judged:
                record = trained[0]
                words = label(record.config, record.role, record.params)
                self._note_begun(record.trial_id, record.params, {ROLE: role, "label": words})
                if is_judged:
                    self._note_points(trained, role)
        if self._journal:
            self._journal.describe({"seed": rates(references.seed), "vanilla": rates(references.vanilla)})

    def _not_tried(self, searched: Sequence[TrialRecord]) -> Iterator[Point]:
        """Yield the enqueued points without a trial; each trial is that of one point, the first that it fits.

        Points can fit the same trial: they may be equal, with dimensions left out, or one a part of another.
        """
        trials = {record.training: record.params for record in searched if not record.is_further_point}
        in_order = sorted(trials, key=lambda trial_id: (len(trial_id), trial_id))
        tried = [trials[trial_id] for trial_id in in_order] + [job.params for job in self._again]
        for enqueued in self._sweep.search.enqueue:
            point = with_parents(enqueued, self._sweep.dimensions)
            found = next((i for i, params in enumerate(tried) if point.items() <= params.items()), None)
            if found is None:
                yield point
            else:
                del tried[found]

    def _completions(self, point: Point) -> list[Point | None]:
        """Return the point as often as it may be drawn: once if no dimension is left to the sampler."""
        try:
            substitute(self._sweep.template, lambda dimension: point[dimension.name])
        except KeyError:
            return [point] * MOST_REPEATS
        return [point]

    def _new(self, points: Iterable[Point | None]) -> Job | None:
        """Return a job for the first point with a new configuration; a None point is drawn by the sampler."""
        for attempt, point in enumerate(points):
            drawn = self._draw(point, attempt)
            if drawn and _key(trial_json(drawn[0])) not in self._tried:
                job = make_job(f"search-{self._next:03d}", "search", *drawn)
                self._begin(job)
                return job
        return None

    def _draw(self, point: Point | None, attempt: int) -> tuple[TrialConfig, dict[str, Any]] | None:
        """Return the sampler's suggestion, with `point` fixed; None if a rule between fields rejects it."""
        config = self._sweep.search
        self.study.sampler = make_sampler(config.sampler, config.seed, self._next, attempt, self._further)
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

    def _begin(self, job: Job) -> None:
        self._tried.add(_key(job.config))
        self._next = max(self._next, number_of(job) + 1)
        attributes = {ROLE: "search", "label": job.label, "config_hash": content_hash(job.config)}
        self._note_begun(job.trial_id, job.params, attributes)

    def _note_begun(self, trial_id: str, params: Mapping[str, Any], attributes: Mapping[str, Any]) -> None:
        for log in self._studies:
            if trial_id not in log:
                log.begin(trial_id, params, attributes)
                if log.study is self.study:
                    note_generation(self.study, self._sweep.search.sampler)

    def _note_points(
        self, points: Sequence[TrialRecord], role: str, estimated: ObjectiveValues | None = None
    ) -> None:
        """End a training's trial with its best point, and add a trial for each other point of its front."""
        first, *others = representative_points(points)
        ended = outcome(first, estimated)
        if first.is_further_point:
            ended = replace(ended, attributes={**ended.attributes, "point": first.trial_id})
        self._note_ended(points[0].trial_id, ended)
        for point in others:
            words = label(point.config, point.role, point.params)
            self._further += point.trial_id not in self._studies[0]
            self._note_begun(point.trial_id, point.params, {ROLE: role, "label": words})
            self._note_ended(point.trial_id, outcome(point))

    def _note_ended(self, trial_id: str, ended: Outcome) -> None:
        for log in self._studies:
            if trial_id in log.running:
                log.end(trial_id, ended)

    def _in_flight(self, searched: Sequence[TrialRecord]) -> Iterator[Job]:
        """Yield the trials that were running when a session was killed, with their own ids."""
        for trial in self._journal.in_flight([r.trial_id for r in searched]) if self._journal else ():
            params = trial.params
            config = self._sweep.trial(lambda dimension, params=params: params[dimension.name])  # type: ignore[misc]
            yield make_job(trial.user_attrs[TRIAL_ID], "search", config, params)

    def _replay(self, searched: Sequence[TrialRecord], estimates: Mapping[str, ObjectiveValues]) -> None:
        """Begin trials in order of their numbers and end them in order of their commits, as in a live run."""
        trainings = group_by_training(searched)
        jobs = [self._job_of(points) for points in trainings]
        waiting = deque(sorted([*jobs, *self._again], key=number_of))
        for job, (record, *further) in zip(jobs, trainings, strict=True):
            while waiting and number_of(waiting[0]) <= number_of(job):
                self._begin(waiting.popleft())
            self.tell(record, estimates.get(record.trial_id), further)
        for job in waiting:
            self._begin(job)

    def _job_of(self, points: Sequence[TrialRecord]) -> Job:
        """Return the job that was run for the points of a training, whose records have one share each."""
        first = points[0]
        # as the sweep would make it today: records hold the resources of the machine that they ran on
        made = self._sweep.trial(lambda dimension: first.params[dimension.name])
        config = trial_json(made) if len(made.merge.shares) > 1 else first.config
        words = label(config, "search", first.params)
        return Job(first.trial_id, "search", trial_json(made), first.params, words)


def _key(config: Mapping[str, Any]) -> str:
    """Return what identifies a trial's configuration."""
    return content_hash(without_limits(config))


def _each(points: Callable[[], Sequence[Point]]) -> Iterator[Point]:
    """Yield the points; list them only when the first one is requested."""
    yield from points()
