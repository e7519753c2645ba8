"""A Ray Train worker group that outlives a trial: its ranks run one job after another.

Starting processes, importing torch and DeepSpeed and forming the process group take far longer than a short
trial, so they are done once. A group with a failed rank is not reused.
"""

import gc
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import ray
from ray.util.placement_group import PlacementGroup, remove_placement_group
from ray.util.queue import Empty, Queue

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.evaluate.results import Signal
from lookahead_ray.trial.failure import ProcessDiedError, failure
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.measurement import Measurement
from lookahead_ray.trial.progress import Decide, TrialProgress

PROGRESS, GROUP, SIGNAL, MEASUREMENT = "progress", "placement_group", "signal", "measurement"
"""Keys of a group's reports: a trial's progress with the placement group that holds its resources, its signal
after an epoch, or its final measurement."""
WAITED_S = "waited_s"
"""Key in a new group's first progress: the seconds for which it waited for machines."""

WAIT = "wait"  # broadcast to idle ranks when there is no job yet
POLL_S = 1.0
REST_S = 2.0  # idle time after which ranks return memory; allocating it again costs a trial a second
IDLE_S = 60.0  # well below the process group's timeout for waiting ranks
STOP_S = 30.0


class WorkerGroup:
    """Ranks that run jobs of one `shape` (`TrialConfig.resources`), one at a time."""

    def __init__(self, config: TrialConfig, workers: int | None = None) -> None:
        """Start the ranks; `workers` overrides the configuration's number of ranks."""
        # on a busy machine importing torch and deepspeed takes longer than Ray's default timeout
        os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "300")
        self.shape = config.resources
        if workers:
            self.shape = self.shape._replace(workers=workers)
        self._queues = {
            name: Queue(actor_options={"num_cpus": 0}) for name in ("jobs", "decisions", "reports")
        }
        self._error: Exception | None = None
        self._holds = ""  # placement group of the ranks, as hexadecimal digits
        self._busy = False
        self._thread = threading.Thread(target=self._fit, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Return whether the ranks still accept jobs."""
        return self._thread.is_alive()

    def run(
        self,
        job: Job,
        report: Callable[[dict[str, Any]], None],
        decide: Decide = lambda signal: True,
    ) -> Measurement:
        """Run `job` to its end and return rank 0's measurement; `report` is called with the progress.

        If the job `may_stop`, `decide` gets the signal of each epoch and returns whether to continue.

        Raises:
            ProcessDiedError: a rank or Ray Train's controller died, or no rank reported anything for
                `job.hang_minutes`. The group has ended.
            TrialError: a rank failed; the message says which and why. The group has ended.
        """
        self._busy = True
        self._queues["jobs"].put(job)
        watch = HangWatch(job.hang_minutes)
        while True:
            alive = self.alive  # read before the queue, which may still hold the last reports of a dead rank
            try:
                received = self._queues["reports"].get(timeout=POLL_S)
            except Empty:
                if not alive:
                    # Ray Train releases the resources, unless its controller was killed too.
                    release(self._holds)
                    raise failure(self._error) from self._error
                if hang := watch.hang():
                    self.stop()
                    raise ProcessDiedError(hang) from None
                continue
            watch.reported()
            if MEASUREMENT in received:
                self._busy = False
                measured: Measurement = received[MEASUREMENT]
                return measured
            if SIGNAL in received:
                self._queues["decisions"].put(decide(received[SIGNAL]))
                continue
            self._holds = received[GROUP]
            report(received)

    def stop(self) -> None:
        """End the ranks and release their resources; at once if a job is running."""
        if self.alive and self._busy:
            release(self._holds)
        elif self.alive:
            self._queues["jobs"].put(None)
            self._thread.join(STOP_S)
        for queue in self._queues.values():
            queue.shutdown()

    def end(self) -> None:
        """Stop, and wait until the thread that watches the ranks has ended, at most `STOP_S`.

        For a process that has only this group and shuts Ray down next. If a thread calls Ray after the
        shutdown, Ray exits the process, and messages and cleanup would be lost.
        """
        self.stop()
        until_s = time.monotonic() + STOP_S
        while self.alive and time.monotonic() < until_s:
            for group in held_groups():  # starting ranks hold one that they have not reported yet
                release(group)
            self._thread.join(POLL_S)

    def _fit(self) -> None:
        from ray.train import RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer
        from ray.train.v2.api.config import FailureConfig

        workers, cpus, gpus = self.shape
        scratch = tempfile.mkdtemp(prefix="lookahead-ray-")
        try:
            trainer = TorchTrainer(
                rank_main,
                train_loop_config=self._queues,
                torch_config=TorchConfig(backend="nccl" if gpus else "gloo"),
                scaling_config=ScalingConfig(
                    num_workers=workers,
                    use_gpu=gpus > 0,
                    resources_per_worker={"CPU": cpus, **({"GPU": gpus} if gpus else {})},
                    placement_strategy="PACK",
                ),
                # If Ray Train restarted ranks after a spot warning, they would wait for a job that is already
                # dequeued: so the group ends, and Tune restarts the trial.
                run_config=RunConfig(  # type: ignore[call-arg]  # annotated as the one before Train's second version
                    name="workers",
                    storage_path=scratch,
                    failure_config=FailureConfig(max_preemption_failures=0),
                    # `train.allocator` needs one heap for all threads: ranks run in a thread of Ray's
                    worker_runtime_env={} if gpus else {"env_vars": {"MALLOC_ARENA_MAX": "1"}},
                ),
            )
            trainer.fit()
        except Exception as error:  # raised by `run`
            self._error = error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


class HangWatch:
    """Detects ranks that hang: that report nothing for so many minutes, once they have reported something."""

    def __init__(self, minutes: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._minutes, self._clock = minutes, clock
        self._reported_s: float | None = None

    def reported(self) -> None:
        """Note that a rank reported."""
        self._reported_s = self._clock()

    def hang(self) -> str | None:
        """Return in one line that the ranks hang; None while they don't."""
        if self._minutes is None or self._reported_s is None:
            return None
        if self._clock() - self._reported_s < 60 * self._minutes:
            return None
        return f"no progress for {self._minutes:g} minutes (search.hang_minutes), so its ranks were ended"


def release(group: str) -> None:
    """Release the placement group of dead ranks; does nothing if it is already released or `group` is empty.

    Needed when the process that requested the group died: Ray Train's placement-group cleaner queries the
    dashboard, which is disabled here, so the next trial would wait for the cores for ever.
    """
    if group:
        remove_placement_group(PlacementGroup(ray.PlacementGroupID(bytes.fromhex(group))))


def held_groups() -> set[str]:
    """Return all placement groups that this driver's workers hold, as hexadecimal digits."""
    from ray.util import placement_group_table

    job = ray.get_runtime_context().get_job_id()  # ids of its groups end with it
    return {
        group
        for group, about in placement_group_table().items()
        if group.endswith(job)
        and about["state"] != "REMOVED"
        and any("CPU" in bundle for bundle in about["bundles"].values())
    }


def rank_main(queues: dict[str, Any]) -> None:
    """Run jobs until there are no more; Ray Train calls this on each rank."""
    import ray.util
    import torch.distributed as dist

    from lookahead_ray.trial.surroundings import raise_classified
    from lookahead_ray.trial.worker import run_worker

    leads = dist.get_rank() == 0
    group = ray.util.get_current_placement_group()
    holds = group.id.hex() if group else ""

    def send(progress: TrialProgress) -> None:
        if leads:
            queues["reports"].put({PROGRESS: asdict(progress), GROUP: holds})

    def decide_of(job: Job) -> Decide:
        def decide(signal: Signal) -> bool:
            if not job.may_stop:
                return True
            queues["reports"].put({SIGNAL: signal})
            return bool(queues["decisions"].get())

        return decide

    first = True
    while (job := _next_job(queues["jobs"] if leads else None)) is not None:
        config = TrialConfig.model_validate(job.config)
        options = (job.saving, decide_of(job), job.checkpoints, job.quota)
        try:
            measured = run_worker(config, job.trains, send, *options)
        except Exception as error:
            raise_classified(error)
        if leads:
            queues["reports"].put({MEASUREMENT: measured})
        del measured
        gc.collect()  # engines and models hold reference cycles
        if first:
            gc.freeze()  # objects from imports need not be traversed in each collection
            first = False


def _next_job(jobs: Queue | None) -> Job | None:
    """Return the next job, dequeued by rank 0 and broadcast to all; None ends the group. Idle ranks return
    freed memory to the operating system."""
    import torch.distributed as dist

    from lookahead_ray.train.allocator import give_back
    from lookahead_ray.train.process_group import object_group

    patience = REST_S
    while True:
        message: list[Job | str | None] = [WAIT]
        if jobs is not None:
            with suppress(Empty):
                message = [jobs.get(timeout=patience)]
        dist.broadcast_object_list(message, src=0, group=object_group())
        job = message[0]
        if not isinstance(job, str):
            return job
        give_back()
        patience = IDLE_S
