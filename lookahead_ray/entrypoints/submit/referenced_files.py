"""The files that a space names, divided into those packed with a job and those on the cluster."""

import os
from collections.abc import Iterator
from glob import glob
from pathlib import Path
from typing import Any

from lookahead_ray.config.load import Sweep
from lookahead_ray.config.phrases import KEY as PHRASES
from lookahead_ray.errors import ConfigError
from lookahead_ray.filesystem import is_url

HUB_FIELDS = ("model", "judges", "merge")
"""Fields whose paths may be hub names instead of files."""


def named_files(sweep: Sweep, tree: dict[str, Any]) -> tuple[list[Path], list[str]]:
    """Return the paths to pack, relative to the current directory; and absolute paths and URLs, which aren't.

    Args:
        sweep: the sweep as loaded on this machine.
        tree: the content of the space file, overrides and `choice_from` mappings included.

    Raises:
        ConfigError: one line; a path is outside the current directory, or a file doesn't exist.
    """
    pack: list[Path] = []
    elsewhere: list[str] = []
    for field, value in paths(dict(sweep.template)):
        path = Path(value)
        if path.is_absolute() or value.startswith("~") or is_url(value):
            elsewhere.append(value)
        elif not path.exists() and (matching := sorted(glob(value, recursive=True))):
            pack += [_inside(Path(match), f"{sweep.source}: {field}") for match in matching]
        elif not path.exists():
            if not set(field.split(".")) & {*HUB_FIELDS}:
                raise ConfigError(f"{sweep.source}: {field}: must be an existing file, got {value!r}")
        else:
            pack.append(_inside(path, f"{sweep.source}: {field}"))
    for index, run in enumerate(sweep.search.warm_start):
        if not is_url(run) and not run.startswith("/"):
            rule = "must be a URL or an absolute path that the cluster shares"
            raise ConfigError(f"{sweep.source}: search.warm_start.{index}: {rule}, got {run!r}")
    return pack + list(_phrases(sweep, tree)), elsewhere


def paths(node: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted name and value of all fields named `path` or `…_path`, also each option of a choice."""
    if isinstance(node, list | tuple):
        node = {str(index): value for index, value in enumerate(node)}
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        here = f"{field}.{key}" if field else str(key)
        if key == "path" or str(key).endswith("_path"):
            options = value["choice"] if isinstance(value, dict) and "choice" in value else [value]
            yield from ((here, option) for option in options if isinstance(option, str))
        else:
            yield from paths(value, here)


def _phrases(sweep: Sweep, tree: Any) -> Iterator[Path]:
    """Yield the files of phrases, looked up next to the space file first, as in `config.phrases`."""
    if isinstance(tree, list):
        tree = dict(enumerate(tree))
    if not isinstance(tree, dict):
        return
    for key, value in tree.items():
        if key != PHRASES:
            yield from _phrases(sweep, value)
        elif isinstance(value, dict) and isinstance(path := value.get("path"), str):
            if Path(path).expanduser().is_absolute():
                raise ConfigError(f"{sweep.source}: {PHRASES}.path: must be relative for a job, got {path!r}")
            neighbour = Path(sweep.source).parent / path
            yield _inside(neighbour if neighbour.is_file() else Path(path), f"{sweep.source}: {PHRASES}.path")


def _inside(path: Path, where: str) -> Path:
    if path.is_absolute() or not path.resolve().is_relative_to(Path.cwd().resolve()):
        rule = "must be in the current directory, or be an absolute path that the cluster shares"
        raise ConfigError(f"{where}: {rule}, got {str(path)!r}")
    return Path(os.path.normpath(path))
