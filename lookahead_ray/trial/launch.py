"""One trial as a Ray Train worker group, started from inside a Tune trainable."""

import os
import shutil
import tempfile
from dataclasses import asdict, dataclass
from typing import Any

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import TrialError
from lookahead_ray.trial.progress import TrialProgress
from lookahead_ray.trial.record import Role

TRAIN_SETTINGS = {
    # A rank's report waits until the one before it was polled: at Ray's 2 s fast steps would stand still.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "300",  # imports of torch and deepspeed on a busy machine
}
PROGRESS, GROUP, MEASUREMENT, FAILURE = "progress", "placement_group", "measurement", "failure"
"""Keys of what the trainable reports to Tune: where it is and what it holds, then one of the others."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a trial is asked to do; the searcher makes it, the trainable runs it."""

    trial_id: str
    role: Role
    config: dict[str, Any]  # the resolved TrialConfig as JSON values
    params: dict[str, Any]  # sampled dimensions: name -> value
    label: str

    @property
    def trains(self) -> bool:
        """The seed model is measured as it is."""
        return self.role != "seed"


def run_job(config: dict[str, Any]) -> None:
    """Tune's function trainable: run `config["job"]`, report its measurement, or its failure in words."""
    from ray import tune

    job: Job = config["job"]
    try:
        tune.report({MEASUREMENT: launch(job)})
    except TrialError as error:
        tune.report({FAILURE: str(error)})


def launch(job: Job) -> Any:
    """Run the job's worker group to its end; the `worker.Measurement` of rank 0.

    Raises:
        TrialError: a rank failed or died; the message says which and why.
    """
    os.environ.update({name: os.environ.get(name, value) for name, value in TRAIN_SETTINGS.items()})
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer
    from ray.train.v2.api.exceptions import TrainingFailedError, WorkerGroupError
    from ray.tune.integration.ray_train import TuneReportCallback

    config = TrialConfig.model_validate(job.config)
    on_gpu = config.gpus_per_worker > 0
    resources: dict[str, float] = {"CPU": config.cpus_per_worker}
    if on_gpu:
        resources["GPU"] = config.gpus_per_worker
    scratch = tempfile.mkdtemp(prefix="lookahead-ray-")
    # Ray exports the classes of Train V1 to type checkers, and has no annotations here.
    report_to_tune: Any = TuneReportCallback()  # type: ignore[no-untyped-call]
    trainer = TorchTrainer(
        rank_main,
        train_loop_config={"config": job.config, "trains": job.trains},
        torch_config=TorchConfig(backend="nccl" if on_gpu else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=config.workers,
            use_gpu=on_gpu,
            resources_per_worker=resources,
            placement_strategy="PACK",
        ),
        run_config=RunConfig(name=job.trial_id, storage_path=scratch, callbacks=[report_to_tune]),
    )
    try:
        result: Any = trainer.fit()
        return result.return_value
    except WorkerGroupError as error:
        rank, cause = min(error.worker_failures.items())
        raise TrialError(f"rank {rank}: {type(cause).__name__}: {cause}") from error
    except TrainingFailedError as error:
        raise TrialError(f"{type(error).__name__}: {error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def rank_main(arguments: dict[str, Any]) -> Any:
    """What Ray Train calls on each rank."""
    import ray.train
    import ray.util

    from lookahead_ray.trial.worker import run_worker

    group = ray.util.get_current_placement_group()

    def send(progress: TrialProgress) -> None:
        ray.train.report({PROGRESS: asdict(progress), GROUP: group.id.hex() if group else ""})

    return run_worker(TrialConfig.model_validate(arguments["config"]), arguments["trains"], send)
