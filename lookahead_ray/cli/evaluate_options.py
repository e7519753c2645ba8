"""Conversion of the options `--suite`, `--task` and `--judge` of `evaluate` to `path=value` overrides."""

import json
import shlex
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from lookahead_ray.data.suites.registry import SUITES
from lookahead_ray.data.tasks.registry import TASKS
from lookahead_ray.entrypoints.judge_options import judge_config
from lookahead_ray.errors import ConfigError


def assignments(suites: Sequence[str], task: str | None, judges: Sequence[str]) -> list[str]:
    """Return the overrides for `--suite`, `--task` and `--judge`, which precede those of `--set`.

    Raises ConfigError.
    """
    return list(_assignments(suites, task, judges))


def _assignments(suites: Sequence[str], task: str | None, judges: Sequence[str]) -> Iterator[str]:
    if suites:
        found = [_suite(given) for given in suites]
        # a single suite stays a mapping, so that --set safety.FIELD can set its fields
        yield f"safety={_as_yaml(found if len(found) > 1 else found[0])}"
    if task is not None:
        yield f"task={_as_yaml(_task(task))}"
    if judges:
        yield f"evaluation.judges={_as_yaml([_judge(given) for given in judges])}"


def _suite(given: str) -> dict[str, Any]:
    name, path = _split_name_and_path("--suite", given, SUITES)
    return {"name": name, **_files(f"--suite {given}", path, name, SUITES[name].config_class.path_fields)}


def _task(given: str) -> dict[str, Any]:
    name, path = _split_name_and_path("--task", given, TASKS)
    kind = TASKS[name].config_class
    files = _files(f"--task {given}", path, name, kind.path_fields)
    # nothing is trained, so all rows may be test rows, except the one training row that is required
    fewest = {"train_examples": 1} if files and "train_examples" in kind.model_fields else {}
    return {"name": name, **files, **fewest}


def _files(option: str, path: str | None, name: str, fields: Sequence[str]) -> dict[str, str]:
    """Return the fields of the suite or task `name` that the option's path sets."""
    if path is None:
        return {}
    if not fields:
        raise ConfigError(f"{option}: {name} reads no file")
    return dict.fromkeys(fields, path)


def _judge(given: str) -> dict[str, Any]:
    try:
        name, *fields = shlex.split(given)
    except ValueError:
        raise ConfigError(f"--judge must be NAME or 'NAME FIELD=VALUE ...', got {given!r}") from None
    try:
        return judge_config(name, fields).model_dump(mode="json")
    except ConfigError as error:
        message = str(error)
        raise ConfigError(
            message if message.startswith("--judge") else f"--judge {name}: {message}"
        ) from error


def _split_name_and_path(option: str, given: str, known: Collection[str]) -> tuple[str, str | None]:
    """Return name and path of NAME[=PATH]; the path may contain further equals signs."""
    name, equals, path = given.partition("=")
    if name not in known:
        raise ConfigError(f"{option} must be one of {', '.join(known)}, got {name!r}")
    if equals and not path:
        raise ConfigError(f"{option} must be NAME or NAME=PATH, got {given!r}")
    return name, path if equals else None


def _as_yaml(value: Any) -> str:
    """Return the value as JSON, which is YAML; unescaped, as YAML splits an escaped pair of surrogates."""
    return json.dumps(value, ensure_ascii=False)
