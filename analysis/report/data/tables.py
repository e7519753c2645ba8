"""Data of the paper's Tables 1 and 2 with differences to vanilla, of failed trials, and of provenance."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from analysis.report.data.columns import finite, one_of, take_ids
from lookahead_ray.sweep.recommend.recommendation import Comparison

RATES = ("rsr", "jsr", "over_refusal", "utility")


def table_1(frame: pa.Table, order: list[str], comparisons: Mapping[str, Comparison]) -> pa.Table:
    """Return the data of Table 1.

    Columns: trial_id, label, and for each rate NAME, NAME_low, NAME_high, NAME_n, NAME_unparsed and
    NAME_change (difference to vanilla, 0..1); rsr_p and jsr_p, the recommendation's two-sided p-values;
    seeds.
    """
    rows = take_ids(frame, order)
    vanilla = rows.filter(pc.equal(rows["role"], "vanilla")).slice(0, 1)
    columns: dict[str, Any] = {"trial_id": rows["trial_id"], "label": rows["label"], "role": rows["role"]}
    for name in RATES:
        for part in ("", "_low", "_high", "_n", "_unparsed"):
            columns[name + part] = rows[name + part]
        reference = vanilla[name][0] if vanilla.num_rows else pa.scalar(None, pa.float64())
        columns[f"{name}_change"] = pc.subtract(rows[name], reference)
    found = [comparisons.get(trial_id) for trial_id in rows["trial_id"].to_pylist()]
    columns["rsr_p"] = pa.array([one and one.rsr_p_value for one in found], pa.float64())
    columns["jsr_p"] = pa.array([one and one.jsr_p_value for one in found], pa.float64())
    columns["seeds"] = pa.array([one and one.seeds for one in found], pa.int64())
    return pa.table(columns)


def table_2(frame: pa.Table, order: list[str]) -> pa.Table:
    """Return the data of Table 2, for trials whose FLOPs were counted.

    Columns: trial_id, label, flops, flops_ratio (to vanilla), preparation_flops, train_tokens, tokens_ratio,
    seconds_train, seconds_evaluate.
    """
    rows = take_ids(frame, order)
    rows = rows.filter(pc.greater(pc.fill_null(rows["flops"], 0.0), 0.0))
    vanilla = rows.filter(pc.equal(rows["role"], "vanilla")).slice(0, 1)
    prepared = [json.loads(text).get("preparation_flops") for text in rows["preparation"].to_pylist()]
    columns: dict[str, Any] = {"trial_id": rows["trial_id"], "label": rows["label"], "role": rows["role"]}
    for name, source in (("flops", "flops"), ("tokens", "train_tokens")):
        numbers = finite(rows[source])
        reference = finite(vanilla[source])[0] if vanilla.num_rows else pa.scalar(None, pa.float64())
        columns[source] = rows[source]
        columns[f"{name}_ratio"] = finite(pc.divide(numbers, reference))
    columns["preparation_flops"] = pa.array(prepared, pa.float64())
    for name in ("seconds_train", "seconds_evaluate"):
        columns[name] = finite(rows[name])
    return pa.table(columns)


def harness_scores(frame: pa.Table, order: list[str]) -> pa.Table:
    """Return the scores of lm-eval's tasks, for trials that were measured with any.

    Columns: trial_id, label, role, score (task and metric), value, low, high (null without a standard
    error), n (null for groups of tasks), change (difference to vanilla).
    """
    rows = take_ids(frame, order).select(["trial_id", "label", "role", "harness"]).to_pylist()
    found = [(row, json.loads(row["harness"] or "{}")) for row in rows]
    vanilla: dict[str, Any] = next((scores for row, scores in found if row["role"] == "vanilla"), {})
    flat = [
        {
            **{key: row[key] for key in ("trial_id", "label", "role")},
            "score": name,
            **{key: score.get(key) for key in ("value", "low", "high", "n")},
            "change": score["value"] - vanilla[name]["value"] if name in vanilla else None,
        }
        for row, scores in found
        for name, score in scores.items()
    ]
    texts = [(name, pa.string()) for name in ("trial_id", "label", "role", "score")]
    numbers = [(name, pa.float64()) for name in ("value", "low", "high", "n", "change")]
    return pa.Table.from_pylist(flat, pa.schema([*texts, *numbers]))


def failures(frame: pa.Table) -> pa.Table:
    """Return trial_id, label, status, error, restarts, started_at of the trials that weren't completed."""
    rows = frame.filter(one_of(frame["status"], ("failed", "stopped", "unjudged")))
    return rows.select(["trial_id", "label", "status", "error", "restarts", "started_at"])


def versions(frame: pa.Table) -> pa.Table:
    """Return package, version, trials; a row for each package version used by any trial."""
    counts: dict[tuple[str, str], int] = {}
    for text, trials in _counted(frame, "versions"):
        for package, version in json.loads(text).items():
            counts[str(package), str(version)] = counts.get((str(package), str(version)), 0) + trials
    rows = [{"package": p, "version": v, "trials": n} for (p, v), n in sorted(counts.items())]
    return pa.Table.from_pylist(
        rows, pa.schema([("package", pa.string()), ("version", pa.string()), ("trials", pa.int64())])
    )


def hardware(frame: pa.Table) -> pa.Table:
    """Return precision, ranks, gpus (per rank), trials; a row for each combination."""
    counts: Counter[tuple[str | None, int, float | None]] = Counter()
    for text, ranks in zip(frame["config"].to_pylist(), frame["workers"].to_pylist(), strict=True):
        config = json.loads(text)
        if ranks is not None:
            precision = config.get("training", {}).get("precision")
            counts[precision, ranks, config.get("gpus_per_worker")] += 1
    rows = [
        {"precision": precision, "ranks": ranks, "gpus": gpus, "trials": trials}
        for (precision, ranks, gpus), trials in counts.items()
    ]
    fields = [
        ("precision", pa.string()),
        ("ranks", pa.int64()),
        ("gpus", pa.float64()),
        ("trials", pa.int64()),
    ]
    return pa.Table.from_pylist(rows, pa.schema(fields))


def hashes(frame: pa.Table) -> pa.Table:
    """Return what (data_hash, model_hash), hash, trials."""
    rows = [
        {"what": name, "hash": value, "trials": trials}
        for name in ("data_hash", "model_hash")
        for value, trials in _counted(frame, name)
        if value is not None
    ]
    return pa.Table.from_pylist(
        rows, pa.schema([("what", pa.string()), ("hash", pa.string()), ("trials", pa.int64())])
    )


def _counted(frame: pa.Table, name: str) -> list[tuple[Any, int]]:
    groups = frame.select([name]).group_by([name], use_threads=False).aggregate([([], "count_all")])
    return list(zip(groups[name].to_pylist(), groups["count_all"].to_pylist(), strict=True))
