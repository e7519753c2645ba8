"""What Figures 3, 4 and 5 of the paper show, as tables."""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from analysis.scores import student
from lookahead_ray.errors import LookaheadRayError

METRICS = ("rsr", "jsr", "utility")
MOST_LINES = 6


class FigureError(LookaheadRayError):
    """A run doesn't have what a figure shows; one line that says which trials are missing."""


def figure_3(configured: pa.Table, token_kl: pa.Table) -> pa.Table:
    """Mean KL: configuration, label, kind, position (from 1), value, low, high (nats), n (prompts).

    `token_kl` has run, trial_id, suite, prompt_id, position, value. Prompts' values are means over seeds; the
    interval is Student's 95 % one over prompts, cut at 0. Of many configurations those in `chosen` are shown.
    """
    shown = chosen(configured)
    keys = configured.select(["run", "trial_id", "configuration", "label", "kind"])
    keys = keys.filter(pc.is_in(keys["configuration"], pa.array(shown, pa.int64())))
    joined = token_kl.join(keys, ["run", "trial_id"], join_type="inner", use_threads=False)
    joined = joined.filter(pc.is_finite(joined["value"]))
    means = joined.group_by(["configuration", "label", "kind", "position", "suite", "prompt_id"]).aggregate(
        [("value", "mean")]
    )
    groups: dict[tuple[Any, ...], list[float]] = {}
    for row in means.to_pylist():
        key = (row["configuration"], row["label"], row["kind"], row["position"])
        groups.setdefault(key, []).append(row["value_mean"])
    rows = []
    for key in sorted(groups, key=lambda key: (shown.index(key[0]), key[3])):
        low, high = student(groups[key])
        ends = {"low": None if low is None else max(low, 0.0), "high": high, "n": len(groups[key])}
        value = sum(groups[key]) / len(groups[key])
        rows.append({**dict(zip(KL.names, key, strict=False)), "value": value, **ends})
    if not rows:
        named = _named(keys["trial_id"].to_pylist())
        raise FigureError(f"figure 3: must have KL by position (evaluation.kl_tokens), got none of {named}")
    return pa.Table.from_pylist(rows, KL)


KL = pa.schema(
    [
        ("configuration", pa.int64()),
        ("label", pa.string()),
        ("kind", pa.string()),
        ("position", pa.int64()),
        *((name, pa.float64()) for name in ("value", "low", "high")),
        ("n", pa.int64()),
    ]
)


def figure_4(configured: pa.Table, measured: pa.Table) -> pa.Table:
    """length_tokens (0: no preview), metric (rsr, jsr, utility), value, low, high, n, label, rest.

    Only configurations that differ in the preview's length alone make a curve. Of several such curves it is
    the one with the most lengths, vanilla's settings first among equals; `rest` is what they share.
    """
    lengths = configured.filter(pc.is_in(configured["kind"], pa.array(["vanilla", "none", "true"])))
    rows = [{**row, "length_tokens": row["length_tokens"] or 0} for row in lengths.to_pylist()]
    series = _series(rows, "length_tokens")
    got = sorted({row["length_tokens"] for row in rows if row["kind"] == "true"})
    if len({row["length_tokens"] for row in series} - {0}) < 2:
        raise FigureError(
            "figure 4: must have completed true previews of 2 lengths or more that differ in nothing else,"
            f" got {_named(map(str, got)) if got else 'none'}; missing are trials over preview.length_tokens,"
            " see tuning_spaces/preview_length.yaml"
        )
    return _measured(series, measured, "length_tokens", pa.int64())


def figure_5(configured: pa.Table, measured: pa.Table) -> pa.Table:
    """prefix (null: vanilla), metric (rsr, jsr, utility), value, low, high, n, label, rest: as `figure_4`.

    Only configurations that differ in the prefix alone stand side by side.
    """
    rows = configured.filter(pc.is_in(configured["kind"], pa.array(["vanilla", "virtual"]))).to_pylist()
    series = _series(rows, "prefix")
    got = sorted({row["prefix"] for row in rows if row["prefix"] is not None})
    if len({row["prefix"] for row in series} - {None}) < 2:
        raise FigureError(
            "figure 5: must have completed previews of 2 prefixes or more that differ in nothing else,"
            f" got {_named(map(repr, got)) if got else 'none'}; missing are trials over preview.prefix, see "
            "tuning_spaces/prefix.yaml"
        )
    return _measured(series, measured, "prefix", pa.string())


def chosen(configured: pa.Table) -> list[int]:
    """Configurations to draw a line of: all but the seed model.

    Of more than `MOST_LINES`, of each method and preview one: with vanilla's other settings if there is one,
    and among these with the best objective.
    """
    rows = [row for row in configured.to_pylist() if row["role"] != "seed"]
    numbers = list(dict.fromkeys(row["configuration"] for row in rows))
    if len(numbers) <= MOST_LINES:
        return numbers
    rests = {row["rest"] for row in rows if row["kind"] == "vanilla"}
    best: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        known = best.setdefault((row["method"], row["kind"]), row)
        if _rank(row, rests) > _rank(known, rests):
            best[row["method"], row["kind"]] = row
    return sorted(row["configuration"] for row in best.values())[:MOST_LINES]


def _rank(row: dict[str, Any], rests: set[str]) -> tuple[bool, float]:
    objective = row["objective"]
    return row["rest"] in rests, float("-inf") if objective is None or objective != objective else objective


def _series(rows: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """One row a value of `key`, all with the same other settings; vanilla before others without a preview."""
    groups: dict[tuple[str, str], dict[Any, dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["kind"] != "vanilla"):
        groups.setdefault((row["model"], row["rest"]), {}).setdefault(row[key], row)
    reference = {(row["model"], row["rest"]) for row in rows if row["kind"] == "vanilla"}
    best = max(groups, key=lambda group: (len(groups[group]), group in reference), default=None)
    found = groups[best].values() if best else []
    empty: str | int = "" if key == "prefix" else 0
    return sorted(found, key=lambda row: (row[key] is not None, row[key] or empty))


def _measured(series: list[dict[str, Any]], measured: pa.Table, key: str, kind: pa.DataType) -> pa.Table:
    found = {(row["configuration"], row["metric"]): row for row in measured.to_pylist()}
    rows = [
        {**found[one["configuration"], metric], key: one[key], "label": one["label"], "rest": one["rest"]}
        for metric in METRICS
        for one in series
        if (one["configuration"], metric) in found
    ]
    numbers = [(name, pa.float64()) for name in ("value", "low", "high", "spread")]
    return pa.Table.from_pylist(
        rows,
        pa.schema(
            [
                (key, kind),
                ("metric", pa.string()),
                *numbers,
                *((name, pa.int64()) for name in ("n", "seeds")),
                *((name, pa.string()) for name in ("label", "rest")),
            ]
        ),
    )


def _named(names: Iterable[str], most: int = 5) -> str:
    found = list(names)
    return (
        ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")
        or "no trial"
    )
