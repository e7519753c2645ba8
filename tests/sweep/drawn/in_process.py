"""The commands `validate` and `sweep` in this process: trials run one after the other, on one rank."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml

from lookahead_ray import store
from lookahead_ray.config.load import load_sweep
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.entrypoints.sweep import sweep_and_report
from lookahead_ray.errors import LookaheadRayError
from lookahead_ray.sweep import driver, preflight
from lookahead_ray.sweep.hardware import look_at_hardware
from lookahead_ray.sweep.job_queue import JobQueue
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.record import completed_record, failed_record, utc_now
from lookahead_ray.trial.worker import run_worker


def refusal(space: Path) -> str | None:
    """Return why `validate` refuses the space; None if it accepts."""
    try:
        sweep = load_sweep(space)
        found = preflight.check(sweep, strict=False)
        look_at_hardware(sweep)
    except LookaheadRayError as error:
        return str(error)
    return found.missing[0] if found.missing else None


def sweep_trials(space: Path, run: Path) -> list[dict[str, Any]]:
    """Run the sweep and return its trials as rows. Call it with `trials_in_process` and a process group."""
    sweep_and_report(space, str(space), str(run), resume=False, overrides=[])
    return list(store.open(str(run)).trials().to_pylist())


def trials_in_process(patch: pytest.MonkeyPatch) -> None:
    """Replace what needs Ray; everything else of the driver stays."""

    def run_trials(job_queue: JobQueue, *, sweep_id: str, **others: Any) -> None:
        while isinstance(job := job_queue.next_job(), Job):
            started = utc_now()
            try:
                measured = run_worker(
                    TrialConfig.model_validate(job.config), job.trains, lambda progress: None
                )
                assert measured
                record = completed_record(job, sweep_id, started, 1.0, measured)
            except Exception as error:  # as a worker group reports it
                record = failed_record(job, sweep_id, started, 1.0, f"{type(error).__name__}: {error}")
            job_queue.finish(record)

    patch.setattr(driver, "run_trials", run_trials)
    patch.setattr(driver, "cluster", lambda log: nullcontext())
    patch.setattr(driver, "concurrency", lambda *arguments: 1)
    patch.setattr(driver, "start_quota", lambda run: None)  # an actor
    patch.setattr("lookahead_ray.presentation.tradeoff_plot.draw_tradeoff", lambda *arguments: [])


def write_space(path: Path, space: dict[str, Any]) -> Path:
    """Write a space as a YAML file."""
    path.write_text(yaml.safe_dump(space, allow_unicode=True), encoding="utf-8")
    return path
