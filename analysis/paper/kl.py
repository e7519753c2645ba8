"""Data of the paper's Figure 3, as a table."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from analysis.paper.missing import FigureError, named
from analysis.scores import student

MOST_LINES = 6


def figure_3(configured: pa.Table, token_kl: pa.Table) -> pa.Table:
    """Return the mean KL of the configurations in `chosen`.

    Columns: configuration, label, kind, position (from 1), value, low, high (nats), n (prompts). `token_kl`
    has run, trial_id, suite, prompt_id, position, value. A prompt's value is the mean over random seeds; the
    interval is Student's 95 % one over prompts, cut at 0.
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
        names = named(keys["trial_id"].to_pylist())
        raise FigureError(f"figure 3: must have KL by position (evaluation.kl_tokens), got none of {names}")
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


def chosen(configured: pa.Table) -> list[int]:
    """Return the configurations to draw as lines: all except the seed model.

    If there are more than `MOST_LINES`, one per method and preview is returned: preferably with vanilla's
    other settings, and among these the one with the best objective.
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
