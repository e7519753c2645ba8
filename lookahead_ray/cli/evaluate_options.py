"""Conversion of the options `--suite`, `--task` and `--judge` of `evaluate` to `path=value` overrides."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lookahead_ray.entrypoints.judge_options import judge_config
from lookahead_ray.errors import ConfigError

SUITE_PATHS = {
    "probe": None,
    "hex_phi": "path",
    "advbench": "path",
    "jailbreakbench": "harmful_path",
    "xstest": "path",
    "file": "harmful_path",
}
"""Suite -> the field that is set to the path given with it."""

TASK_PATHS = {
    "word_problems": (),
    "gsm8k": ("train_path", "test_path"),
    "samsum": ("train_path", "test_path"),
    "file": ("train_path", "test_path"),
}
"""Task -> the fields set to the path given with it; nothing is trained, so all rows can be test rows."""


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
    name, path = _split_name_and_path("--suite", given, SUITE_PATHS)
    field = SUITE_PATHS[name]
    if path is not None and field is None:
        raise ConfigError(f"--suite {given}: {name} reads no file")
    return {"name": name} if field is None or path is None else {"name": name, field: path}


def _task(given: str) -> dict[str, Any]:
    name, path = _split_name_and_path("--task", given, TASK_PATHS)
    fields = TASK_PATHS[name]
    if path is None:
        return {"name": name}
    if not fields:
        raise ConfigError(f"--task {given}: {name} reads no file")
    # at least one training row is required; it is taken from the rows that are not tested
    return {"name": name, **dict.fromkeys(fields, path), "train_examples": 1}


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


def _split_name_and_path(option: str, given: str, known: Mapping[str, object]) -> tuple[str, str | None]:
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
