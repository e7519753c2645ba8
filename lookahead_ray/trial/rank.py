"""What each rank of a worker group does: it runs one job after another."""

import gc
from dataclasses import asdict
from typing import Any

import ray
import torch.distributed as dist

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.evaluate.results import Signal
from lookahead_ray.train.allocator import give_back
from lookahead_ray.train.process_group import object_group
from lookahead_ray.trial.group_host import GROUP, MEASUREMENT, PROGRESS, SIGNAL, WAIT
from lookahead_ray.trial.infrastructure import raise_classified
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.progress import Decide, TrialProgress
from lookahead_ray.trial.worker import run_worker

REST_S = 2.0  # idle time after which ranks return memory; allocating it again costs a trial a second
IDLE_S = 60.0  # well below the process group's timeout for waiting ranks


def run_jobs(host: Any) -> None:
    """Run the jobs of the actor `host` until there are no more, and report to it."""
    leads = dist.get_rank() == 0
    group = ray.util.get_current_placement_group()
    holds = group.id.hex() if group else ""

    def report(values: dict[str, Any]) -> None:
        if leads:
            ray.get(host.report.remote(values))

    def send(progress: TrialProgress) -> None:
        report({PROGRESS: asdict(progress), GROUP: holds})

    def decide_of(job: Job) -> Decide:
        def decide(signal: Signal) -> bool:
            if not job.may_stop:
                return True
            report({SIGNAL: signal})
            return bool(ray.get(host.next_decision.remote()))

        return decide

    first = True
    while (job := _next_job(host if leads else None)) is not None:
        config = TrialConfig.model_validate(job.config)
        rules = (job.choose_share, job.end_measuring)
        options = (job.saving, decide_of(job), job.checkpoints, job.quota, *rules)
        try:
            measured = run_worker(config, job.trains, send, *options)
        except Exception as error:
            raise_classified(error, job.config)
        report({MEASUREMENT: measured})
        del measured
        gc.collect()  # engines and models hold reference cycles
        if first:
            gc.freeze()  # objects from imports need not be traversed in each collection
            first = False


def _next_job(host: Any) -> Job | None:
    """Return the next job, fetched by rank 0 and broadcast to all; None ends the group.

    Idle ranks return freed memory to the operating system. `host` is None except on rank 0.
    """
    patience_s = REST_S
    while True:
        message: list[Job | str | None] = [WAIT]
        if host is not None:
            message = [ray.get(host.next_job.remote(patience_s))]
        dist.broadcast_object_list(message, src=0, group=object_group())
        job = message[0]
        if not isinstance(job, str):
            return job
        give_back()
        patience_s = IDLE_S
