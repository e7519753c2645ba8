"""Experiment trackers that a sweep's trials are also written to. They are no part of a run's identity.

Passwords and keys are read from the environment only, because configurations are stored and shared.
"""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from lookahead_ray.config.base import Config


class MlflowTracking(Config):
    """One MLflow run per trial. Needs the extra `mlflow`; MLflow reads `MLFLOW_TRACKING_TOKEN`, or
    `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`, from the environment."""

    name: Literal["mlflow"]

    tracking_uri: str | None = Field(None, min_length=1)
    """Address of an MLflow server, a database such as `sqlite:///mlflow.db`, or a folder; null uses
    `MLFLOW_TRACKING_URI`, or what MLflow uses without it."""

    experiment: str | None = Field(None, min_length=1)
    """Name of the experiment, created if it does not exist; null uses the sweep's name."""

    @field_validator("tracking_uri")
    @classmethod
    def _has_no_secret(cls, value: str | None) -> str | None:
        if value and value.startswith(("http://", "https://")) and "@" in urlsplit(value).netloc:
            raise ValueError(
                "must hold no user name or password; set MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD in the environment"
            )
        return value


class WandbTracking(Config):
    """One run of Weights & Biases per trial. Needs the extra `wandb`, and `WANDB_API_KEY` in the environment
    or an earlier `wandb login`, unless `mode` is offline."""

    name: Literal["wandb"]

    project: str = Field("lookahead-ray", min_length=1)
    """Name of the project."""

    entity: str | None = Field(None, min_length=1)
    """User or team; null uses the account's default."""

    group: str | None = Field(None, min_length=1)
    """Group of the runs; null uses the sweep's name and id."""

    mode: Literal["online", "offline"] | None = None
    """`offline` writes files for `wandb sync`; null uses `WANDB_MODE`, or online without it."""

    path: str | None = Field(None, min_length=1)
    """Folder of the runs' files; null uses `wandb` in the run's directory."""


class TensorboardTracking(Config):
    """One folder of TensorBoard event files per trial."""

    name: Literal["tensorboard"]

    path: str | None = Field(None, min_length=1)
    """Folder of the trials' folders; null uses `tensorboard` in the run's directory."""


TrackingConfig = Annotated[MlflowTracking | WandbTracking | TensorboardTracking, Field(discriminator="name")]


class HasTracking(Config):
    """The field `tracking` of a space file."""

    tracking: tuple[TrackingConfig, ...] = Field((), strict=False)
