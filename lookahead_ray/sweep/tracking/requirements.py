"""Checks before a sweep starts: a tracker's package is installed, its server answers, its key is known."""

import os
import socket
from collections.abc import Sequence
from importlib.util import find_spec
from netrc import NetrcParseError, netrc
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from lookahead_ray.config.tracking import MlflowTracking, TrackingConfig, WandbTracking
from lookahead_ray.errors import ConfigError

MODULES = {"mlflow": "mlflow", "wandb": "wandb", "tensorboard": "tensorboardX"}
PIP = {"mlflow": "mlflow-skinny", "wandb": "wandb", "tensorboard": "tensorboardX"}
"""Tracker -> the package that `pip install` needs."""

CONNECT_S = 3.0


def check_trackers(tracking: Sequence[TrackingConfig], source: str) -> list[str]:
    """Return one line for the user per tracker.

    Raises:
        ConfigError: a package is missing, no server listens at an address, or a key is missing.
    """
    lines = []
    for index, tracker in enumerate(tracking):
        where = f"{source}: tracking.{index}"
        if find_spec(MODULES[tracker.name]) is None:
            rule = f"needs a package that is not installed; install it with: pip install {PIP[tracker.name]}"
            raise ConfigError(f"{where}.name: {tracker.name} {rule}")
        if isinstance(tracker, MlflowTracking):
            _check_server(tracker.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI"), where)
        if isinstance(tracker, WandbTracking) and mode_of(tracker) == "online" and not _has_wandb_key():
            rule = "must be offline without a key, got online; set WANDB_API_KEY in the environment, or run"
            raise ConfigError(f"{where}.mode: {rule} `wandb login`")
        lines.append(f"tracking {describe(tracker)}")
    return lines


def mode_of(tracker: WandbTracking) -> str:
    """Return online, offline or disabled."""
    return tracker.mode or os.environ.get("WANDB_MODE") or "online"


def describe(tracker: TrackingConfig) -> str:
    """Return the tracker and its destination in words."""
    if isinstance(tracker, MlflowTracking):
        place = tracker.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or "MLflow's default place"
        return f"mlflow: one run per trial in {_without_secret(place)}"
    if isinstance(tracker, WandbTracking):
        return f"wandb: one run per trial in the project {tracker.project}, {mode_of(tracker)}"
    return f"tensorboard: event files in {tracker.path or 'the folder tensorboard of the run'}"


def _without_secret(address: str) -> str:
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if parts.netloc else address


def _check_server(address: str | None, where: str) -> None:
    """Raise ConfigError if nothing listens at an http address that is reached without a proxy."""
    parts = urlsplit(address or "")
    if parts.scheme not in ("http", "https"):
        return
    if not parts.hostname:
        raise ConfigError(f"{where}.tracking_uri: must be http://HOST:PORT, got {address!r}")
    try:
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except ValueError as error:
        raise ConfigError(f"{where}.tracking_uri: must be http://HOST:PORT, got {address!r}") from error
    if parts.scheme in getproxies() and not proxy_bypass(parts.hostname):
        return
    try:
        socket.create_connection((parts.hostname, port), CONNECT_S).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(
            f"{where}.tracking_uri: no MLflow server answers at {parts.hostname}:{port}: {reason}; start it, "
            "or name a folder or sqlite:///FILE"
        ) from error


def _has_wandb_key() -> bool:
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        hosts = netrc(os.environ.get("NETRC")).hosts
    except (OSError, NetrcParseError, RuntimeError):
        return False
    return any("wandb" in host for host in hosts)
