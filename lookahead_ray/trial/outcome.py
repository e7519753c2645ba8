"""From what a job measured, or how it failed, to its record."""

from statistics import fmean
from typing import Any

from lookahead_ray.config.load import content_hash
from lookahead_ray.evaluate.generation import TokenKl
from lookahead_ray.evaluate.rates import rate
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.record import TrialRecord

LONGEST_ERROR = 4000


def completed_record(
    job: Job, sweep_id: str, started_at: str, seconds_total: float, measured: Any
) -> TrialRecord:
    """The record of a `Measurement`, its rates those of its rows (see `rates`); not scored yet."""
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
    """The record of a trial that ended without a measurement."""
    return TrialRecord(
        **_identity(job, sweep_id, started_at),
        status="failed",
        error=error[:LONGEST_ERROR],
        seconds_total=seconds_total,
    )


def mean_kl(rows: tuple[TokenKl, ...]) -> tuple[float, ...]:
    """Mean over the first suite's prompts in nats, one value a position, from position 1."""
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
