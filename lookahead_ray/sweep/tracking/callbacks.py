"""The logger callbacks of Ray, one for each tracker, with what they read of a trial."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lookahead_ray.config.tracking import MlflowTracking, TrackingConfig, WandbTracking
from lookahead_ray.errors import ConfigError
from lookahead_ray.sweep.run_files import local_run_file
from lookahead_ray.sweep.tracking.requirements import mode_of

MLFLOW = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # MLflow's default retries for minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_ALLOW_FILE_STORE": "true",
}
ITERATION = "training_iteration"
"""Key of a result that Ray's callbacks read as the horizontal axis."""


class RayLogger(Protocol):
    """The part of `ray.tune.logger.LoggerCallback` that is used."""

    def setup(self) -> None: ...

    def log_trial_start(self, trial: Any) -> None: ...

    def log_trial_result(self, iteration: int, trial: Any, result: dict[str, Any]) -> None: ...

    def log_trial_end(self, trial: Any, failed: bool = False) -> None: ...

    def on_experiment_end(self, trials: list[Any]) -> None: ...


@dataclass(eq=False)  # a key in the callbacks' dictionaries
class TrackedTrial:
    """A trial with the attributes of `ray.tune.experiment.Trial` that the callbacks read."""

    trial_id: str
    name: str
    config: Mapping[str, Any]
    local_path: str  # folder for the tracker's files
    experiment_dir_name: str  # name of the trials' group

    @property
    def evaluated_params(self) -> Mapping[str, Any]:
        """Return the settings, for TensorBoard's table of hyperparameters."""
        return self.config

    def init_local_path(self) -> None:
        """Create the folder."""
        os.makedirs(self.local_path, exist_ok=True)

    def __str__(self) -> str:
        return self.name


def make_callback(tracker: TrackingConfig, name: str, sweep_id: str) -> RayLogger:
    """Return Ray's callback for a tracker, set up. `name` is the sweep's.

    Raises:
        ConfigError: it can't be set up, such as for a server that refuses.
    """
    try:
        callback: RayLogger = _callback(tracker, name, sweep_id)
        callback.setup()
    except Exception as error:  # each tracker's library has its own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ConfigError(f"tracking: {tracker.name} can't be used: {reason[:300]}") from error
    return callback


def _callback(tracker: TrackingConfig, name: str, sweep_id: str) -> Any:
    if isinstance(tracker, MlflowTracking):
        os.environ.update({key: os.environ.get(key, value) for key, value in MLFLOW.items()})
        from ray.air.integrations.mlflow import MLflowLoggerCallback

        return MLflowLoggerCallback(
            tracking_uri=_mlflow_address(tracker.tracking_uri),
            experiment_name=tracker.experiment or name,
            tags={"sweep_id": sweep_id, "sweep": name},
        )
    if isinstance(tracker, WandbTracking):
        from ray.air.integrations.wandb import WandbLoggerCallback

        mode = mode_of(tracker)
        if mode != "online":
            os.environ.setdefault("WANDB_API_KEY", "offline-runs-need-no-key")  # else Ray's callback refuses
        return WandbLoggerCallback(
            project=tracker.project,
            group=tracker.group or f"{name}-{sweep_id}",
            entity=tracker.entity,
            mode=mode,
            id=None,  # a trial that is run again is a new run
        )
    from ray.tune.logger import TBXLoggerCallback

    return TBXLoggerCallback()  # type: ignore[no-untyped-call]  # Ray lacks its annotation


def files_of(tracker: TrackingConfig, run: str, name: str) -> Path:
    """Return the folder for a tracker's files of all trials."""
    path = None if isinstance(tracker, MlflowTracking) else tracker.path
    return Path(path).expanduser() if path else local_run_file(run, tracker.name, name)


def as_result(tracker: TrackingConfig, figures: Mapping[str, float], at: int) -> dict[str, Any]:
    """Return a result for the callback; `at` is the step or the epoch.

    W&B drops what is logged at an earlier step than the last one, so it gets no step, only figures.
    """
    if isinstance(tracker, WandbTracking):
        axis = {"train/step": at} if "train/loss" in figures else {}
        axis = {"epoch/epoch": at} if "epoch/train_tokens" in figures else axis
        return {**figures, **axis}
    return {**figures, ITERATION: at}


def _mlflow_address(given: str | None) -> str | None:
    """Return the address; of a folder its absolute path, because the working directory may change."""
    if given is None or "://" in given or given.startswith(("databricks", "file:", "sqlite:")):
        return given
    return Path(given).expanduser().absolute().as_uri()
