"""The actor that leads a worker group: Ray Train's controller and the queues between a trial and its ranks.

It runs on a machine of the ranks. In the trial's own process, which is on the head, it would cost the head a
quarter of a gigabyte per trial.
"""

import asyncio
import os
import threading
from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import ray

from lookahead_ray.config.trial import Resources
from lookahead_ray.errors import TrialError
from lookahead_ray.hardware.temporary import scratch_folder
from lookahead_ray.trial.failure import failure
from lookahead_ray.trial.job import Job

if TYPE_CHECKING:
    from ray.train.v2.torch.torch_trainer import TorchTrainer

PROGRESS, GROUP, SIGNAL, MEASUREMENT = "progress", "placement_group", "signal", "measurement"
"""Keys of a group's reports: a trial's progress with the placement group that holds its resources, its signal
after an epoch, or its final measurement."""

WAIT = "wait"  # to idle ranks when there is no job yet


class GroupHost:
    """Ranks of one shape, and the messages to and from them. Its methods are called by Ray."""

    def __init__(self, shape: Resources) -> None:
        """Start the ranks."""
        self._jobs: asyncio.Queue[Job | None] = asyncio.Queue()
        self._decisions: asyncio.Queue[bool] = asyncio.Queue()
        self._reports: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._failure = TrialError("its processes ended before they were started")
        handle = ray.get_runtime_context().current_actor
        self._thread = threading.Thread(target=self._fit, args=(shape, handle), daemon=True)
        self._thread.start()

    async def is_alive(self) -> bool:
        """Return whether the ranks still accept jobs."""
        return self._thread.is_alive()

    async def add_job(self, job: Job | None) -> None:
        """Add a job for the ranks; None ends them."""
        await self._jobs.put(job)

    async def next_job(self, patience_s: float) -> Job | str | None:
        """Return the next job to rank 0; `WAIT` if there is none for so many seconds."""
        with suppress(TimeoutError):
            return await asyncio.wait_for(self._jobs.get(), patience_s)
        return WAIT

    async def decide(self, goes_on: bool) -> None:
        """Answer the last signal."""
        await self._decisions.put(goes_on)

    async def next_decision(self) -> bool:
        """Return the answer to rank 0's last signal."""
        return await self._decisions.get()

    async def report(self, values: dict[str, Any]) -> None:
        """Add a report of rank 0."""
        await self._reports.put(values)

    async def next_report(self, patience_s: float) -> dict[str, Any] | TrialError | None:
        """Return the next report; None if there is none for so many seconds, the error if the ranks ended."""
        alive = (
            self._thread.is_alive()
        )  # read before the queue, which may hold the last reports of a dead rank
        with suppress(TimeoutError):
            return await asyncio.wait_for(self._reports.get(), patience_s)
        return None if alive else self._failure

    async def wait_until_ended(self, patience_s: float) -> None:
        """Wait until the ranks have ended."""
        await asyncio.to_thread(self._thread.join, patience_s)

    def _fit(self, shape: Resources, handle: Any) -> None:
        try:
            with scratch_folder() as scratch:
                make_trainer(shape, handle, scratch).fit()
            self._failure = failure(None)
        except Exception as error:
            self._failure = failure(error)


def rank_main(config: dict[str, Any]) -> None:
    """Run the jobs of `config["host"]`; Ray Train calls this on each rank."""
    from lookahead_ray.trial.rank import run_jobs

    run_jobs(config["host"])


def make_trainer(shape: Resources, handle: Any, scratch: str) -> "TorchTrainer":
    """Return Ray Train's trainer of ranks that serve the actor `handle`.

    Its controller and its watcher for spot warnings run in this process. The actors for data sets and for
    placement groups of dead controllers are left out: this program has no such data sets, and releases the
    groups itself.
    """
    from ray.train.torch import TorchConfig
    from ray.train.v2._internal.callbacks import datasets, placement_group_callback
    from ray.train.v2._internal.callbacks.preemption_callback import PreemptionCallback
    from ray.train.v2._internal.constants import ENABLE_PREEMPTION_WATCHER_ENV_VAR
    from ray.train.v2._internal.execution.controller.controller import TrainController
    from ray.train.v2._internal.execution.preemption import PreemptionWatcher
    from ray.train.v2.api.config import FailureConfig, RunConfig, ScalingConfig
    from ray.train.v2.api.result import Result
    from ray.train.v2.torch.torch_trainer import TorchTrainer

    # on a busy machine importing torch and deepspeed takes longer than Ray's default timeout
    os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "300")
    os.environ.setdefault("RAY_WARN_BLOCKING_GET_INSIDE_ASYNC", "0")
    os.environ[ENABLE_PREEMPTION_WATCHER_ENV_VAR] = "0"  # as an actor of its own, which may be on the head
    unused = (datasets.DatasetsCallback, placement_group_callback.PlacementGroupCleanerCallback)

    class WatchInThread(PreemptionCallback):
        def after_worker_group_start(self, worker_group: Any) -> None:
            self._stop_watcher()
            actors, nodes = {}, defaultdict(list)
            for worker in worker_group.get_workers():
                rank = worker.distributed_context.world_rank
                actors[rank] = worker.actor
                nodes[worker.metadata.node_id].append(rank)
            self._watcher = cast(Any, PreemptionWatcher(nodes, self._poll_interval_s, actors))

        def _stop_watcher(self) -> None:
            if self._watcher is not None:
                self._watcher._stop_event.set()
            self._watcher = None

    class Trainer(TorchTrainer):
        def _create_default_callbacks(self) -> list[Any]:
            made = super()._create_default_callbacks()
            return [WatchInThread(), *(each for each in made if not isinstance(each, unused))]

        def _initialize_and_run_controller(self, **options: Any) -> Result:
            async def run() -> Result:
                controller = TrainController(**options)
                await controller.run()  # type: ignore[no-untyped-call]  # Ray lacks its annotation
                return controller.get_result()

            return asyncio.run(run())

    workers, cpus, gpus = shape
    return Trainer(
        rank_main,
        train_loop_config={"host": handle},
        torch_config=TorchConfig(backend="nccl" if gpus else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=workers,
            use_gpu=gpus > 0,
            resources_per_worker={"CPU": cpus, **({"GPU": gpus} if gpus else {})},
            placement_strategy="PACK",
        ),
        # If Ray Train restarted ranks after a spot warning, they would wait for a job that is already
        # dequeued: so the group ends, and Tune restarts the trial.
        run_config=RunConfig(
            name="workers",
            storage_path=scratch,
            failure_config=FailureConfig(max_preemption_failures=0),
            # `train.allocator` needs one heap for all threads: ranks run in a thread of Ray's
            worker_runtime_env={} if gpus else {"env_vars": {"MALLOC_ARENA_MAX": "1"}},
        ),
    )
