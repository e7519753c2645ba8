"""A single trial, on the same kind of worker group as a sweep's trials."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import TrialError
from lookahead_ray.sweep.cluster import cluster, concurrency
from lookahead_ray.sweep.tracking.trackers import Trackers
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.progress import TrialProgress
from lookahead_ray.trial.record import TrialRecord, completed_record, failed_record, utc_now
from lookahead_ray.trial.worker_group import PROGRESS, WorkerGroup


def run_alone(
    job: Job,
    sweep_id: str,
    log: Path,
    show: Callable[[TrialProgress], None],
    trackers: Trackers | None = None,
) -> TrialRecord:
    """Run `job` and return its record, with the error if it failed. `show` is called with its progress.

    Raises:
        ConfigError: the trial does not fit into the cluster, or a tracker can't be set up.
    """
    config = TrialConfig.model_validate(job.config)
    start, started_at = time.monotonic(), utc_now()
    trackers = trackers or Trackers((), "", "", sweep_id)

    def report(values: dict[str, Any]) -> None:
        show(TrialProgress(**values[PROGRESS]))

    with cluster(log), trackers.opened():
        concurrency(config, limit=1)
        trackers.started(job)
        group = WorkerGroup(config)
        try:
            measured = group.run(job, report)
            seconds = time.monotonic() - start
            record = completed_record(job, sweep_id, started_at, seconds, measured)
        except TrialError as error:
            record = failed_record(job, sweep_id, started_at, time.monotonic() - start, str(error))
        finally:
            group.end()
        trackers.finished(record)
    return record
