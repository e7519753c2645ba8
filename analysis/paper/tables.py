"""Tables 1 and 2 of the paper."""

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

import pyarrow as pa

from analysis.measures import vanilla_of

SHOWN = {"rsr": "RSR", "jsr": "JSR", "safety": "safety", "utility": "utility"}
PARTS = ("", "_low", "_high", "_spread", "_n", "_unparsed", "_change", "_change_low", "_change_high")


def table_1(configured: pa.Table, measured: pa.Table) -> pa.Table:
    """Return model, task, method, seeds, and `measures`' columns of rsr, jsr, safety and utility, in 0..1.

    If there are several tasks, rows with task "mean" are appended for methods that all tasks have: plain
    means over tasks, without intervals, as in the paper.
    """
    found = {(row["configuration"], row["metric"]): row for row in measured.to_pylist()}
    rows = []
    for one in _configurations(configured):
        row = {name: one[name] for name in ("model", "task", "label", "seeds")}
        for metric in SHOWN:
            own = found.get((one["configuration"], metric), {})
            for part in PARTS:
                row[metric + part] = own.get(part.removeprefix("_") or "value")
        rows.append(row)
    rows += _means(rows)
    numbers = {"_n": pa.int64(), "_unparsed": pa.int64()}
    schema = pa.schema(
        [("model", pa.string()), ("task", pa.string()), ("method", pa.string()), ("seeds", pa.int64())]
        + [(metric + part, numbers.get(part, pa.float64())) for metric in SHOWN for part in PARTS]
    )
    return pa.Table.from_pylist([{**row, "method": row["label"]} for row in rows], schema)


def table_2(configured: pa.Table) -> pa.Table:
    """Return the training costs of the methods, as means over random seeds.

    Columns: model, task, method, seeds, flops, flops_spread, flops_ratio (to vanilla), train_tokens,
    tokens_ratio. FLOPs are those counted in training, including the method's use of the seed model. Trials
    without training have none and are left out.
    """
    groups: dict[int, list[dict[str, Any]]] = {}
    for row in configured.to_pylist():
        groups.setdefault(row["configuration"], []).append(row)
    vanilla = [own for own in groups.values() if own[0]["role"] == "vanilla"]
    rows = []
    for own in groups.values():
        flops, tokens = _counts(own, "flops"), _counts(own, "train_tokens")
        if not flops:
            continue
        reference = vanilla_of(own, vanilla) or []
        base, base_tokens = _counts(reference, "flops"), _counts(reference, "train_tokens")
        rows.append(
            {
                **{name: own[0][name] for name in ("model", "task")},
                "method": own[0]["label"],
                "seeds": len(own),
                "flops": fmean(flops),
                "flops_spread": stdev(flops) if len(flops) > 1 else None,
                "flops_ratio": fmean(flops) / fmean(base) if base else None,
                "train_tokens": fmean(tokens) if tokens else None,
                "tokens_ratio": fmean(tokens) / fmean(base_tokens) if tokens and base_tokens else None,
            }
        )
    numbers = ("flops", "flops_spread", "flops_ratio", "train_tokens", "tokens_ratio")
    schema = pa.schema(
        [("model", pa.string()), ("task", pa.string()), ("method", pa.string()), ("seeds", pa.int64())]
        + [(name, pa.float64()) for name in numbers]
    )
    return pa.Table.from_pylist(rows, schema)


def printed_1(table: pa.Table) -> pa.Table:
    """Return Table 1 in percent as text: "55.0 [44.1, 65.4]", "93.8 ± 1.2 [90.1, 97.0]", differences, n."""
    rows = []
    for row in table.to_pylist():
        made = {"task": row["task"], "method": row["method"]}
        for metric, name in SHOWN.items():
            spread = row[f"{metric}_spread"]
            value = "–" if row[metric] is None else f"{100 * row[metric]:.1f}"
            value += "" if spread is None else f" ± {100 * spread:.1f}"
            made[f"{name} %"] = value + _ends(row[f"{metric}_low"], row[f"{metric}_high"], "")
            change = row[f"{metric}_change"]
            difference = "–" if change is None else f"{100 * change:+.1f}"
            ends = _ends(row[f"{metric}_change_low"], row[f"{metric}_change_high"], "+")
            made[f"{name} − vanilla"] = (difference + ends).replace("-", "−")
        made["n"] = " / ".join(str(row[f"{metric}_n"] or "–") for metric in ("rsr", "jsr", "utility"))
        made["unparsed"] = " / ".join(
            "–" if row[f"{metric}_unparsed"] is None else str(row[f"{metric}_unparsed"])
            for metric in ("rsr", "jsr", "utility")
        )
        made["seeds"] = str(row["seeds"])
        rows.append(made)
    return pa.Table.from_pylist(rows)


def printed_2(table: pa.Table) -> pa.Table:
    """Return Table 2 as text: FLOPs, and the cost of a method relative to vanilla in percent."""
    rows = []
    for row in table.to_pylist():
        made = {"task": row["task"], "method": row["method"], "FLOPs": f"{row['flops']:.4g}"}
        for name, title in (("flops_ratio", "FLOPs − vanilla"), ("tokens_ratio", "tokens − vanilla")):
            ratio = row[name]
            made[title] = "–" if ratio is None else f"{100 * (ratio - 1):+.2f} %".replace("-", "−")
        rows.append({**made, "seeds": str(row["seeds"])})
    return pa.Table.from_pylist(rows)


def _ends(low: float | None, high: float | None, sign: str) -> str:
    return "" if low is None or high is None else f" [{100 * low:{sign}.1f}, {100 * high:{sign}.1f}]"


def _configurations(configured: pa.Table) -> list[dict[str, Any]]:
    """Return the first trial of each configuration, with its number of random seeds."""
    found: dict[int, dict[str, Any]] = {}
    for row in configured.to_pylist():
        found.setdefault(row["configuration"], {**row, "seeds": 0})["seeds"] += 1
    return list(found.values())


def _means(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    tasks = {(row["model"], row["task"]) for row in rows}
    made = []
    for model in dict.fromkeys(row["model"] for row in rows):
        own = [row for row in rows if row["model"] == model]
        several = len({task for one, task in tasks if one == model})
        for label in dict.fromkeys(row["label"] for row in own):
            of_label = {row["task"]: row for row in own if row["label"] == label}
            if several < 2 or len(of_label) < several:
                continue
            mean: dict[str, Any] = {"model": model, "task": "mean", "label": label, "seeds": None}
            for name in (metric + part for metric in SHOWN for part in ("", "_change")):
                values = [row[name] for row in of_label.values()]
                mean[name] = None if None in values else fmean(values)
            made.append({**dict.fromkeys(rows[0]), **mean})
    return made


def _counts(rows: Sequence[dict[str, Any]], name: str) -> list[float]:
    return [float(row[name]) for row in rows if row[name]]
