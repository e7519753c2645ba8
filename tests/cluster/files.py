"""The shipped cluster files, as data."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
RAY_UP = sorted([ROOT / "cluster.yaml", *(ROOT / "clusters").glob("*.yaml")])
KUBERAY = ROOT / "clusters" / "kuberay.yaml"
RAY_UP.remove(KUBERAY)
SHIPPED = [*RAY_UP, KUBERAY]


def load(path: Path) -> dict[str, Any]:
    """Return the first document of a file: for KubeRay its RayCluster."""
    return next(iter(yaml.safe_load_all(path.read_text(encoding="utf-8"))))


def start_command(commands: list[str]) -> str:
    """Return the command of `commands` that starts Ray."""
    (command,) = [command for command in commands if "ray start" in command]
    return command


def head_options(path: Path) -> dict[str, str]:
    """Return the options of `ray start` on a file's head: option without dashes -> value."""
    if path == KUBERAY:
        return dict(load(path)["spec"]["headGroupSpec"]["rayStartParams"])
    words = start_command(load(path)["head_start_ray_commands"]).split()
    return dict(word[2:].split("=", 1) for word in words if word.startswith("--") and "=" in word)
