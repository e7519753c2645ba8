"""What to try next: the references first, then what Optuna suggests. No Ray in here."""

import warnings
from collections.abc import Sequence
from typing import Any

import optuna

from lookahead_ray.config.dimension import Choice, Dimension, Value
from lookahead_ray.config.load import Sweep, content_hash, trial_json
from lookahead_ray.config.search import RandomSampler, SamplerConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.label import label
from lookahead_ray.trial.record import Role, TrialRecord

REFERENCE_ROLES: tuple[Role, ...] = ("seed", "vanilla")
MOST_REPEATS = 50  # suggestions of configurations tried before, in a row, that end the search


class Search:
    """Optuna's ask and tell over a sweep's space.

    Every suggestion is told back: its objective, or that it failed. A configuration that was tried before is
    not run again; the sampler is told the known result instead.
    """

    def __init__(self, sweep: Sweep, committed: Sequence[TrialRecord]) -> None:
        self._sweep = sweep
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        optuna.logging.disable_default_handler()
        replayed = [record for record in committed if record.role == "search"]
        # With the same seed a resumed sampler would draw again what it drew before.
        sampler = _sampler(sweep.search.sampler, sweep.search.seed + len(replayed))
        self.study = optuna.create_study(direction="maximize", sampler=sampler)
        self._running: dict[str, optuna.trial.Trial] = {}
        self._objectives: dict[str, float | None] = {}  # by config hash
        self._distributions = {d.name: _distribution(d) for d in sweep.dimensions}
        self._next = 1
        for record in replayed:
            self._replay(record)
        for point in sweep.search.enqueue:
            if not any(point.items() <= record.params.items() for record in replayed):
                self.study.enqueue_trial(dict(point), skip_if_exists=True)

    def ask(self) -> Job | None:
        """The next job, or None when the space holds nothing new."""
        for _ in range(MOST_REPEATS):
            trial = self.study.ask()
            config = self._sweep.trial(lambda dimension, trial=trial: _suggest(trial, dimension))  # type: ignore[misc]
            key = content_hash(trial_json(config))
            if key not in self._objectives:
                return self._job(trial, config, key)
            known = self._objectives[key]
            if known is None:
                self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                self.study.tell(trial, known)
        return None

    def tell(self, record: TrialRecord) -> None:
        """Hand a finished search trial's objective to the sampler; None tells that it failed."""
        trial = self._running.pop(record.trial_id)
        self._objectives[record.config_hash] = record.objective
        if record.objective is None:
            self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            self.study.tell(trial, record.objective)

    def _job(self, trial: optuna.trial.Trial, config: TrialConfig, key: str) -> Job:
        trial_id = f"search-{self._next:03d}"
        self._next += 1
        self._running[trial_id] = trial
        self._objectives[key] = None
        return make_job(trial_id, "search", config, dict(trial.params))

    def _replay(self, record: TrialRecord) -> None:
        self._next = max(self._next, int(record.trial_id.rpartition("-")[2]) + 1)
        self._objectives[record.config_hash] = record.objective
        state = optuna.trial.TrialState.FAIL if record.objective is None else optuna.trial.TrialState.COMPLETE
        self.study.add_trial(
            optuna.trial.create_trial(
                params=record.params,
                distributions={name: self._distributions[name] for name in record.params},
                value=record.objective,
                state=state,
            )
        )


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


def _suggest(trial: optuna.trial.Trial, dimension: Dimension) -> Value:
    if isinstance(dimension, Choice):
        return trial.suggest_categorical(dimension.name, dimension.labels)
    if dimension.kind == "int":
        return trial.suggest_int(dimension.name, int(dimension.low), int(dimension.high))
    return trial.suggest_float(
        dimension.name, dimension.low, dimension.high, log=dimension.kind == "loguniform"
    )


def _distribution(dimension: Dimension) -> optuna.distributions.BaseDistribution:
    if isinstance(dimension, Choice):
        return optuna.distributions.CategoricalDistribution(dimension.labels)
    if dimension.kind == "int":
        return optuna.distributions.IntDistribution(int(dimension.low), int(dimension.high))
    return optuna.distributions.FloatDistribution(
        dimension.low, dimension.high, log=dimension.kind == "loguniform"
    )


def _sampler(config: SamplerConfig, seed: int) -> optuna.samplers.BaseSampler:
    if isinstance(config, RandomSampler):
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=config.startup_trials, multivariate=True, group=True
    )
