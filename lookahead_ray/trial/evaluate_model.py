"""A model as it is, measured in this process, without Ray."""

import os
import time
from collections.abc import Callable

from lookahead_ray.config.load import trial_json
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.train.process_group import single_process_group
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.outcome import completed_record
from lookahead_ray.trial.progress import TrialProgress
from lookahead_ray.trial.record import TrialRecord, utc_now
from lookahead_ray.trial.worker import run_worker


def evaluate_model(
    config: TrialConfig, sweep_id: str, trial_id: str, report: Callable[[str], None]
) -> TrialRecord:
    """Measure the seed model of `config` on its suites and task; nothing is trained.

    Raises:
        LookaheadRayError: data or model can't be used.
    """
    cores = float(os.cpu_count() or 1)
    alone = config.model_copy(update={"workers": 1, "cpus_per_worker": cores, "gpus_per_worker": 0.0})
    job = Job(trial_id, "evaluate", trial_json(alone), {}, alone.model.path)
    start, started_at = time.monotonic(), utc_now()

    def say(progress: TrialProgress) -> None:
        report(f"{progress.phase}: {progress.detail}")

    with single_process_group():
        measured = run_worker(alone, trains=False, send=say)
    return completed_record(job, sweep_id, started_at, time.monotonic() - start, measured)
