"""The measurement of a trial by its ranks, and the records of measurements and failures. This module does not
import torch, because queues and the driver unpickle its classes too."""

from dataclasses import dataclass, field
from importlib.metadata import version
from statistics import fmean
from typing import Any

from lookahead_ray.config.load import content_hash
from lookahead_ray.evaluate.rates import rate
from lookahead_ray.evaluate.results import Generation, Signal, TokenKl
from lookahead_ray.train.step import Step
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.record import TrialRecord

PACKAGES = (
    "ray",
    "torch",
    "transformers",
    "deepspeed",
    "peft",
    "datasets",
    "optuna",
    "pyarrow",
    "lookahead-ray",
)
"""Packages whose versions affect results."""

LONGEST_ERROR = 4000


@dataclass(frozen=True)
class Measurement:
    """The result of a job, from rank 0."""

    workers: int
    zero_stage: int | None
    train_tokens: int
    flops: float
    seconds_train: float
    seconds_evaluate: float
    data_hash: str
    model_hash: str
    versions: dict[str, str]
    preparation: dict[str, float] = field(default_factory=dict)
    stopped: bool = False  # before its last epoch, and so not evaluated
    steps: tuple[Step, ...] = ()
    signals: tuple[Signal, ...] = ()
    generations: tuple[Generation, ...] = ()
    token_kl: tuple[TokenKl, ...] = ()


def versions() -> dict[str, str]:
    """Return the installed versions of `PACKAGES`."""
    return {name: version(name) for name in PACKAGES}


def completed_record(
    job: Job, sweep_id: str, started_at: str, seconds_total: float, measured: Any
) -> TrialRecord:
    """Return the record of a `Measurement`, with the rates of its rows (see `rates`); not scored yet."""
    rows = measured.generations
    rsr, jsr = rate(rows, "rsr"), rate(rows, "jsr")
    return TrialRecord(
        **_identity(job, sweep_id, started_at),
        status="stopped" if measured.stopped else "completed",
        safety=(rsr.value + jsr.value) / 2 if rsr and jsr else None,
        rsr=rsr,
        jsr=jsr,
        over_refusal=rate(rows, "over_refusal"),
        utility=rate(rows, "utility"),
        kl=mean_kl(measured.token_kl),
        workers=measured.workers,
        zero_stage=measured.zero_stage,
        train_tokens=measured.train_tokens,
        flops=measured.flops,
        seconds_train=measured.seconds_train,
        seconds_evaluate=measured.seconds_evaluate,
        seconds_total=seconds_total,
        data_hash=measured.data_hash,
        model_hash=measured.model_hash,
        versions=measured.versions,
        preparation=measured.preparation,
        steps=measured.steps,
        signals=measured.signals,
        generations=rows,
        token_kl=measured.token_kl,
    )


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


def _identity(job: Job, sweep_id: str, started_at: str) -> dict[str, Any]:
    return {
        "sweep_id": sweep_id,
        "trial_id": job.trial_id,
        "role": job.role,
        "config": job.config,
        "config_hash": content_hash(job.config),
        "params": job.params,
        "started_at": started_at,
    }
