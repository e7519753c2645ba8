"""The differences between a sweep and the sweep that a run belongs to, in words.

`SweepIdentity.hashes` is keyed by the part of the configuration that points to the hashed contents; if the
part has several, a label is appended: `task`, `task[2]`, `safety[xstest]`. Paths are compared by the contents
stored there: the same contents under another path are no change.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from lookahead_ray.store.identity import SweepIdentity

MOST_NAMED = 6
LONGEST_VALUE = 60  # characters
UNSET = object()
AUTO = "auto"
ADDED = {"training.too_long": "cut", "merge.name": "linear", "merge.share": 1.0}
"""Fields that earlier versions did not have -> the value that means what they did."""
FITTED = ("training.precision", "training.compile", "workers", "cpus_per_worker", "gpus_per_worker")
"""Fields that may be `auto` or unset, which matches any value: `sweep.hardware` keeps the run's precision,
and compilation, ranks and their cores, which change rounding only, may change."""
FREE = re.compile(
    r"evaluation\.judges\.\d+\."
    r"(max_calls|concurrency|timeout_s|retries|patience_s|backoff_s|max_pause_s|api_key_env|cache_dir)"
)
"""Fields that change no verdict: a run whose judge was down or has spent its calls continues with others."""


def changes(before: SweepIdentity, now: SweepIdentity) -> list[str]:
    """Return a short description of each differing field and content; empty if the sweep may resume.

    Contents are compared if both identities have hashes, except those of a part whose configuration changed,
    as they follow from it.
    """
    was, is_now = dict(_leaves(before.config)), dict(_leaves(now.config))
    for field, value in ADDED.items():
        if field in was or field in is_now:
            was, is_now = {field: value, **was}, {field: value, **is_now}
    names = {*before.hashes, *now.hashes} if before.hashes and now.hashes else set()
    differ = sorted(name for name in names if before.hashes.get(name) != now.hashes.get(name))
    same = {_part(name) for name in names} - {_part(name) for name in differ}
    fields = [
        field
        for field in dict.fromkeys([*is_now, *was])
        if was.get(field, UNSET) != is_now.get(field, UNSET)
        and not FREE.fullmatch(field)
        and not (field in FITTED and {was.get(field, AUTO), is_now.get(field, AUTO)} & {AUTO})
        and not (_is_path(field) and any(_within(field, part) for part in same))
    ]
    described = [f"{field} ({_shown(is_now, field)}, was {_shown(was, field)})" for field in fields]
    for name in differ:
        if not any(_within(field, _part(name)) for field in fields):
            described.append(f"{name} ({_contents(name, is_now)})")
    return described


def refusal(run: str, changed: list[str]) -> str:
    """Return the one-line message why a sweep can't resume in `run`."""
    more = [f"and {len(changed) - MOST_NAMED} more"] if len(changed) > MOST_NAMED else []
    return (
        f"{run}: can't resume: these settings changed since the sweep began: "
        f"{'; '.join(changed[:MOST_NAMED] + more)}; "
        "use another --run, or undo the change"
    )


def _leaves(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield dotted paths and values; a list is a value unless it holds mappings."""
    if isinstance(node, list | tuple) and any(isinstance(item, Mapping) for item in node):
        node = {str(index): item for index, item in enumerate(node)}
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, list(node) if isinstance(node, tuple) else node


def _is_path(field: str) -> bool:
    last = field.rpartition(".")[2]
    return last in ("path", "chat_template") or last.endswith("_path")


def _part(name: str) -> str:
    return name.partition("[")[0]


def _within(field: str, part: str) -> bool:
    return field == part or field.startswith(f"{part}.")


def _contents(name: str, leaves: Mapping[str, Any]) -> str:
    """Describe contents by the files of their part; without files if a label identifies them already."""
    paths = [value for field, value in leaves.items() if _is_path(field) and _within(field, _part(name))]
    files = ", ".join(str(path).rstrip("/").rpartition("/")[2] for path in paths if path is not None)
    return f"contents of {files}" if files and "[" not in name else "contents"


def _shown(leaves: Mapping[str, Any], field: str) -> str:
    if field not in leaves:
        return "not set"
    text = json.dumps(leaves[field], ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
