"""The record of a trial: plain frozen values, without torch, Ray or Arrow.

The store converts records to tables; `analysis/` reads only the tables. Every rate in a `TrialRecord` can be
recomputed from its `generations`: it is over the rows of its metric that share suite, attack and judge with
the first row (see evaluate/rates.py).

A training whose merge has several shares has one record for each share, its points. All say the training that
they come from (`training_id`); the first one has its id. What the training cost is in the first record only,
so that a sum over records counts it once.

A sweep keeps committed records in memory without texts (`TextStripper`): one trial's answers, steps and KL
values take about a megabyte; its verdicts alone take a few kilobytes, as trials share equal rows. The tables
hold everything.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from statistics import fmean
from typing import Any, Literal, Self

from lookahead_ray.evaluate.rates import rate
from lookahead_ray.evaluate.results import COUNTED, Generation, Metric, Rate, Signal, TokenKl, Verdict
from lookahead_ray.train.step import Step
from lookahead_ray.trial.job import Job, Role
from lookahead_ray.trial.measurement import Measurement

__all__ = [
    "COUNTED",
    "LONGEST_ERROR",
    "Generation",
    "Measurement",
    "Metric",
    "Rate",
    "Role",
    "Signal",
    "Status",
    "Step",
    "TextStripper",
    "TokenKl",
    "TrialRecord",
    "Verdict",
    "completed_record",
    "completed_records",
    "failed_record",
    "job_of_point",
    "judged_record",
    "mean_kl",
    "utc_now",
]

Status = Literal["completed", "partial", "stopped", "failed", "unjudged"]
"""`completed`: evaluated on all prompts. `partial`: on the first ones, as these showed that it is below
another point or the floor; its rates are those of these prompts, and it is never recommended. `stopped`:
ended before its last epoch, with steps and signals but no generations. `failed`: ended with an error and
without a measurement. `unjudged`: trained and answered, but a judge could not be asked; `judged_record`
completes it."""

LONGEST_ERROR = 4000
"""Maximum length of a stored error in characters."""


@dataclass(frozen=True)
class TrialRecord:
    """The complete record of one trial. Times in seconds, rates in 0..1, KL in nats.

    A field that has the name of a column of the table `trials` is stored in that column. The properties read
    `measurement`; they are None or empty without one.
    """

    sweep_id: str
    trial_id: str  # unique in its sweep
    role: Role
    status: Status
    config: dict[str, Any]  # the resolved TrialConfig as JSON values; with one share, unless it failed
    config_hash: str  # content hash of `config`
    params: dict[str, Any]  # sampled dimensions: name -> value
    started_at: str  # ISO 8601, UTC
    error: str | None = None  # reason why the trial failed, or is unjudged
    objective: float | None = None  # scalar score of `weighted` and `floor`; None if it cannot be scored
    objectives: tuple[float, ...] = ()  # values that the search maximises, relative to the references
    constraint: float | None = None  # `floor` minus safety: at most 0 if the floor is met
    safety: float | None = None  # the objective's weighted mean of rates
    rsr: Rate | None = None
    jsr: Rate | None = None
    over_refusal: Rate | None = None
    utility: Rate | None = None
    kl: tuple[float, ...] = ()  # mean over prompts, one value per position
    seconds_total: float | None = None
    """From first start to end, with restarts, without waiting for machines; 0 for further points and for
    references that another sweep has measured."""
    restarts: int = 0  # number of times its processes died and it was restarted
    training_id: str | None = None  # of the trial that trained the model; None: untrained, or an older run
    measurement: Measurement | None = None  # None: the trial failed

    def with_measured(self, **changes: Any) -> Self:
        """Return the record with these fields of its measurement replaced. Raises ValueError without one."""
        if self.measurement is None:
            raise ValueError(f"trial {self.trial_id}: must have a measurement, got none")
        return replace(self, measurement=replace(self.measurement, **changes))

    @property
    def training(self) -> str:
        """Return the id of the training that the trial belongs to: its own unless it is a further point."""
        return self.training_id or self.trial_id

    @property
    def is_further_point(self) -> bool:
        """Return whether another record of the same training has the figures of that training."""
        return self.training != self.trial_id

    @property
    def workers(self) -> int | None:
        """Return the number of ranks that trained."""
        return self.measurement.workers if self.measurement else None

    @property
    def train_tokens(self) -> int | None:
        """Return the number of tokens processed in training, with prompts, without padding."""
        return self.measurement.train_tokens if self.measurement else None

    @property
    def flops(self) -> float | None:
        """Return the FLOPs of training, including the seed model's preparation for it."""
        return self.measurement.flops if self.measurement else None

    @property
    def seconds_train(self) -> float | None:
        """Return the time of training in seconds."""
        return self.measurement.seconds_train if self.measurement else None

    @property
    def seconds_evaluate(self) -> float | None:
        """Return the time of evaluation in seconds, measurements between epochs included."""
        return self.measurement.seconds_evaluate if self.measurement else None

    @property
    def versions(self) -> dict[str, str]:
        """Return the versions of the packages that measured the trial."""
        return self.measurement.versions if self.measurement else {}

    @property
    def steps(self) -> tuple[Step, ...]:
        """Return the optimiser steps, in order."""
        return self.measurement.steps if self.measurement else ()

    @property
    def signals(self) -> tuple[Signal, ...]:
        """Return the signals of the epochs, in order."""
        return self.measurement.signals if self.measurement else ()

    @property
    def generations(self) -> tuple[Generation, ...]:
        """Return the judged answers, in the configuration's order."""
        return self.measurement.generations if self.measurement else ()

    @property
    def token_kl(self) -> tuple[TokenKl, ...]:
        """Return the KL values of single answer positions, in the configuration's order."""
        return self.measurement.token_kl if self.measurement else ()


def completed_record(
    job: Job, sweep_id: str, started_at: str, seconds_total: float, measured: Measurement
) -> TrialRecord:
    """Return the record of a measured trial, with the rates of its rows (see `rates`); not scored yet.

    Further points of its training are left out: see `completed_records`.
    """
    measured = replace(measured, further=()) if measured.further else measured
    unjudged = any(row.verdict == "unjudged" for row in measured.generations)
    whole: Status = "partial" if measured.ended_because else "completed"
    return TrialRecord(
        **_identity(job, sweep_id, started_at),
        status="stopped" if measured.stopped else "unjudged" if unjudged else whole,
        error=(measured.outage or "a judge could not be asked")[:LONGEST_ERROR] if unjudged else None,
        **_rates(measured.generations),
        kl=mean_kl(measured.token_kl),
        seconds_total=seconds_total,
        measurement=measured,
    )


def completed_records(
    job: Job, sweep_id: str, started_at: str, seconds_total: float, measured: Measurement
) -> list[TrialRecord]:
    """Return the records of a measured training, one for each share of its merge, the first one first.

    Their configurations are those of trials with one share, their ids and roles those of `job_of_point`. The
    first one has `seconds_total`.
    """
    from lookahead_ray.config.merge import with_share  # imports pydantic, as in `_identity`

    records = []
    for number, one in enumerate((measured, *measured.further), start=1):
        share = one.merge_share
        config = job.config if share is None else with_share(job.config, share)
        point = replace(job_of_point(job, number), config=config)
        seconds = seconds_total if number == 1 else 0.0
        record = completed_record(point, sweep_id, started_at, seconds, one)
        records.append(record if number == 1 else replace(record, training_id=job.trial_id))
    return records


def job_of_point(job: Job, number: int) -> Job:
    """Return the job as that of the point with this number, from 1, of its training.

    The first point has the job's id; the second one has the id with ".2" appended, and so on. The first point
    of vanilla's training is the reference; the further ones are candidates like those of the search.
    """
    if number == 1:
        return job
    role: Role = "search" if job.role == "vanilla" else job.role
    return replace(job, trial_id=f"{job.trial_id}.{number}", role=role)


def judged_record(record: TrialRecord, generations: tuple[Generation, ...]) -> TrialRecord:
    """Return an unjudged trial's record with the verdicts of `generations`, completed; not scored yet.

    Raises ValueError if an answer is still unjudged, or if anything but verdicts differs.
    """
    if [_answer(row) for row in generations] != [_answer(row) for row in record.generations]:
        raise ValueError(f"trial {record.trial_id}: its answers must be those that were judged")
    if any(row.verdict == "unjudged" for row in generations):
        raise ValueError(f"trial {record.trial_id}: every answer must have a verdict")
    judged = replace(record, status="completed", error=None, **_rates(generations))
    return judged.with_measured(generations=generations)


def failed_record(job: Job, sweep_id: str, started_at: str, seconds_total: float, error: str) -> TrialRecord:
    """Return the record of a trial that ended without a measurement."""
    return TrialRecord(
        **_identity(job, sweep_id, started_at),
        status="failed",
        error=error[:LONGEST_ERROR],
        seconds_total=seconds_total,
    )


def mean_kl(rows: tuple[TokenKl, ...]) -> tuple[float, ...]:
    """Return the mean over the first suite's prompts in nats, one value per position, from position 1."""
    rows = tuple(row for row in rows if row.suite == rows[0].suite)
    last = max((row.position for row in rows), default=0)
    return tuple(
        fmean(row.value for row in rows if row.position == position) for position in range(1, last + 1)
    )


def utc_now() -> str:
    """Return the current time as ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class TextStripper:
    """A reducer of records; all records of one stripper share equal rows."""

    def __init__(self) -> None:
        self._rows: dict[Generation, Generation] = {}

    def strip_texts(self, record: TrialRecord) -> TrialRecord:
        """Return the record without steps, and its generations without prompts and answers.

        Only vanilla keeps `token_kl`, which shows the prompts on which KL was measured.
        """
        measured = record.measurement
        if measured is None:
            return record
        bare = (
            replace(row, prompt="", suffix="", prefill="", answer="", thoughts=None)
            for row in measured.generations
        )
        return record.with_measured(
            steps=(),
            generations=tuple(self._rows.setdefault(row, row) for row in bare),
            token_kl=measured.token_kl if record.role == "vanilla" else (),
        )


def _rates(rows: tuple[Generation, ...]) -> dict[str, Any]:
    rsr, jsr = rate(rows, "rsr"), rate(rows, "jsr")
    return {
        "safety": (rsr.value + jsr.value) / 2 if rsr and jsr else None,
        "rsr": rsr,
        "jsr": jsr,
        "over_refusal": rate(rows, "over_refusal"),
        "utility": rate(rows, "utility"),
    }


def _answer(row: Generation) -> tuple[str, ...]:
    return row.metric, row.suite, row.attack, row.prompt_id, row.judge, row.answer


def _identity(job: Job, sweep_id: str, started_at: str) -> dict[str, Any]:
    from lookahead_ray.config.load import content_hash  # imports pydantic, which readers of a run do not need

    return {
        "sweep_id": sweep_id,
        "trial_id": job.trial_id,
        "role": job.role,
        "config": job.config,
        "config_hash": content_hash(job.config),
        "params": job.params,
        "started_at": started_at,
        "training_id": job.trial_id if job.trains else None,
    }
