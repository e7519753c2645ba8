"""Grouping of trials to configurations: trials that differ only in the random seed are one configuration."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from analysis.naming import row_kind, row_label
from lookahead_ray.sanitize import clean

COLUMNS = (
    "trial_id", "role", "method", "strategy", "length_tokens", "prefix", "seed", "status", "objective",
    "flops", "train_tokens", "kl", "config", "params", "preparation",
)  # fmt: skip
"""Columns of `trials` that are read."""
ORDER = ("seed", "vanilla", "search", "evaluate")
SHORT = {"training.learning_rate": "learning rate", "training.epochs": "epochs"}
FIELDS = pa.schema(
    [
        pa.field("configuration", pa.int64()),
        pa.field("label", pa.string()),
        pa.field("kind", pa.string()),
        pa.field("model", pa.string()),
        pa.field("task", pa.string()),
        pa.field("rest", pa.string()),
    ]
)


def configured(trials: pa.Table) -> pa.Table:
    """Return the completed trials, one for each random seed of a configuration.

    Added columns: configuration (a number from 0, in display order), label (its name), kind (seed, vanilla,
    none, true, virtual), model, task, and rest (JSON: its settings except preview and seed).

    `trials` has the columns `run` and `COLUMNS`. Configurations span runs: the same settings with another
    seed in another run are a repeat. Sorted by configuration; the search trial comes before its repeats.
    """
    rows = [row for row in trials.to_pylist() if row["status"] == "completed"]
    groups: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["role"] == "repeat"):
        row["settings"] = json.loads(row["config"])
        key = json.dumps({k: v for k, v in row["settings"].items() if k != "seed"}, sort_keys=True)
        role = row["role"]
        if role == "repeat":
            role = next((known for known in ORDER[1:] if (known, key) in groups), "search")
        row["role"] = role
        groups.setdefault((role, key), {}).setdefault(row["seed"], row)
    ordered = sorted(groups.values(), key=_place)
    firsts = [next(iter(group.values())) for group in ordered]
    names = _names(firsts)
    made = []
    for number, (group, first, name) in enumerate(zip(ordered, firsts, names, strict=True)):
        added = {"configuration": number, "label": name, **_added(first)}
        made += [{**row, **added} for row in group.values()]
    return pa.Table.from_pylist(made, pa.schema([*trials.schema, *FIELDS]))


def _place(group: Mapping[int, dict[str, Any]]) -> tuple[Any, ...]:
    first = next(iter(group.values()))
    added = _added(first)
    kinds = ("seed", "vanilla", "none", "true", "virtual")
    return (
        added["model"],
        added["task"],
        ORDER.index(first["role"]),
        first["method"],
        kinds.index(added["kind"]) if added["kind"] in kinds else len(kinds),
        first["length_tokens"] or 0,
        first["prefix"] or "",
        float(first["settings"].get("training", {}).get("learning_rate") or 0.0),
        first["run"],
        first["trial_id"],
    )


def _added(row: dict[str, Any]) -> dict[str, str]:
    settings = row["settings"]
    rest = {key: value for key, value in settings.items() if key not in ("preview", "seed")}
    model, task = settings.get("model", {}), settings.get("task", {})
    return {
        "kind": row_kind(row),
        "model": clean(str(model.get("path", "?"))),
        "task": clean(str(task.get("name", "?"))),
        "rest": json.dumps(rest, sort_keys=True),
    }


def _names(firsts: list[dict[str, Any]]) -> list[str]:
    """Return a label for each row; equal labels of a model and task are extended by what differs."""
    names = [row_label(row) for row in firsts]
    places: dict[tuple[str, ...], list[int]] = {}
    for place, (row, name) in enumerate(zip(firsts, names, strict=True)):
        added = _added(row)
        places.setdefault((added["model"], added["task"], name), []).append(place)
    for alike in (group for group in places.values() if len(group) > 1):
        flat = {place: dict(_flat(firsts[place]["settings"])) for place in alike}
        paths = sorted({path for one in flat.values() for path in one} - {"seed"})
        differ = [path for path in paths if len({str(one.get(path)) for one in flat.values()}) > 1]
        for place in alike:
            settings = [f"{SHORT.get(path, path)} {clean(str(flat[place].get(path)))}" for path in differ[:3]]
            names[place] = ", ".join([names[place], *settings])
    return names


def _flat(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _flat(one, f"{path}.{key}" if path else str(key))
    else:
        yield path, value
