"""A Ray Train worker group that outlives a trial: its ranks take one job after another.

Starting processes, importing torch and DeepSpeed and forming the process group cost far more than a short
trial, so it is done once. A group whose rank failed is not used again.
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
from lookahead_ray.trial.failure import failure
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.progress import Decide, TrialProgress

PROGRESS, GROUP, SIGNAL, MEASUREMENT = "progress", "placement_group", "signal", "measurement"
"""Keys of what a group reports: where a trial is and what holds its resources, what it measured after an
epoch, or in the end."""

POLL_S = 1.0
REST_S = 2.0  # without a job, after which ranks give memory back; taking it again costs a trial a second
IDLE_S = 60.0  # well below the time after which waiting ranks give up on the process group
STOP_S = 30.0


class WorkerGroup:
    """Ranks that run jobs of one `shape` (`TrialConfig.resources`), one at a time."""

    def __init__(self, config: TrialConfig, workers: int | None = None) -> None:
        """`workers`: other ranks than the configuration's."""
        # imports of torch and deepspeed on a busy machine take longer than Ray waits by default
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
        """Whether its ranks still take jobs."""
        return self._thread.is_alive()

    def run(
        self,
        job: Job,
        report: Callable[[dict[str, Any]], None],
        decide: Decide = lambda signal: True,
    ) -> Any:
        """Run `job` to its end, telling `report` the progress; the `Measurement` of rank 0.

        `decide` is told the signal of each epoch; whether the job goes on counts where it `may_stop`.

        Raises:
            ProcessDiedError: a rank, or what watches over them, died. The group has ended.
            TrialError: a rank failed; the message says which and why. The group has ended.
        """
        self._busy = True
        self._queues["jobs"].put(job)
        while True:
            alive = self.alive  # before looking: what a rank said before its end is still in the queue
            try:
                told = self._queues["reports"].get(timeout=POLL_S)
            except Empty:
                if not alive:
                    # Ray Train gives it back, unless what would do so was killed too.
                    release(self._holds)
                    raise failure(self._error) from self._error
                continue
            if MEASUREMENT in told:
                self._busy = False
                return told[MEASUREMENT]
            if SIGNAL in told:
                self._queues["decisions"].put(decide(told[SIGNAL]))
                continue
            self._holds = told[GROUP]
            report(told)

    def stop(self) -> None:
        """End the ranks and give their resources back; at once where a job still runs."""
        if self.alive and self._busy:
            release(self._holds)
        elif self.alive:
            self._queues["jobs"].put(None)
            self._thread.join(STOP_S)
        for queue in self._queues.values():
            queue.shutdown()

    def end(self) -> None:
        """Stop, and wait until the thread that watches the ranks has ended, `STOP_S` at most.

        For a process that has this group alone and shuts Ray down next. Ray exits a process in which a thread
        calls it after that, so that nothing would be said or cleaned up.
        """
        self.stop()
        until_s = time.monotonic() + STOP_S
        while self.alive and time.monotonic() < until_s:
            for group in held_groups():  # ranks that still start hold one that was not reported yet
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
                # Ranks that Ray Train starts anew after a spot warning would wait for a job that was handed
                # out before: the group ends instead, and Tune starts the trial again.
                run_config=RunConfig(  # type: ignore[call-arg]  # annotated as the one before Train's second version
                    name="workers",
                    storage_path=scratch,
                    failure_config=FailureConfig(max_preemption_failures=0),
                    # `train.allocator` works where all threads share one heap: ranks run in a thread of Ray's
                    worker_runtime_env={} if gpus else {"env_vars": {"MALLOC_ARENA_MAX": "1"}},
                ),
            )
            trainer.fit()
        except Exception as error:  # told to whoever waits for a job
            self._error = error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def release(group: str) -> None:
    """Give back the placement group of ranks that died; no harm if that was done, or if there is none.

    Nobody else does if the process that asked for it died: Ray Train's own cleaner asks the dashboard, which
    does not run here, and the next trial would wait for the cores for ever.
    """
    if group:
        remove_placement_group(PlacementGroup(ray.PlacementGroupID(bytes.fromhex(group))))


def held_groups() -> set[str]:
    """All placement groups that this driver's workers hold, as hexadecimal digits."""
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
    """What Ray Train calls on each rank: run jobs until there are no more."""
    import ray.util
    import torch.distributed as dist

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
        measured = run_worker(config, job.trains, send, job.saving, decide_of(job), job.checkpoints)
        if leads:
            queues["reports"].put({MEASUREMENT: measured})
        del measured
        gc.collect()  # engines and models hold reference cycles
        if first:
            gc.freeze()  # what the libraries made while they were imported need not be looked at each time
            first = False


def _next_job(jobs: Queue | None) -> Job | None:
    """Rank 0 takes the next job and tells the others; None ends the group. Who waits gives memory back."""
    import torch.distributed as dist

    from lookahead_ray.train.allocator import give_back
    from lookahead_ray.train.process_group import object_group

    patience = REST_S
    while True:
        told: list[Any] = ["wait"]
        if jobs is not None:
            with suppress(Empty):
                told = [jobs.get(timeout=patience)]
        dist.broadcast_object_list(told, src=0, group=object_group())
        if told[0] != "wait":
            job: Job | None = told[0]
            return job
        give_back()
        patience = IDLE_S
