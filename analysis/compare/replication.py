"""Comparison of the same configuration over random seeds and over runs."""

from statistics import fmean, stdev

import pyarrow as pa

from analysis.scores import Scores

METRICS = ("rsr", "jsr", "over_refusal", "utility")


def side_by_side(configured: pa.Table, scores: Scores) -> pa.Table:
    """Return label, metric and a column per run: the mean rate over random seeds, in 0..1, or null.

    A configuration is identified by its label, so that models and tasks can be compared.
    """
    runs = list(dict.fromkeys(configured["run"].to_pylist()))
    found: dict[tuple[str, str], dict[str, list[float]]] = {}
    for row in configured.to_pylist():
        for metric in METRICS:
            own = scores.of(row["run"], row["trial_id"], metric)
            if own is not None:
                by_run = found.setdefault((row["label"], metric), {})
                by_run.setdefault(row["run"], []).append(own.rate)
    rows = [
        {"label": label, "metric": metric, **{run: fmean(values) for run, values in by_run.items()}}
        for (label, metric), by_run in found.items()
    ]
    fields = [("label", pa.string()), ("metric", pa.string()), *((run, pa.float64()) for run in runs)]
    return pa.Table.from_pylist(rows, pa.schema(fields))


def replicated(configured: pa.Table, scores: Scores, tests: pa.Table) -> pa.Table:
    """Return the configurations with at least two random seeds, one row per metric.

    Columns: label, model, task, metric, seeds; mean, spread (standard deviation over seeds), least and most
    in 0..1; above and below: the number of seeds significantly above and below vanilla.
    """
    verdicts: dict[tuple[int, str], list[float]] = {}
    for row in tests.to_pylist():
        if row["differs"]:
            verdicts.setdefault((row["configuration"], row["metric"]), []).append(row["change"])
    groups: dict[int, list[dict[str, object]]] = {}
    for row in configured.to_pylist():
        groups.setdefault(row["configuration"], []).append(row)
    rows = []
    for number, own in groups.items():
        for metric in METRICS:
            parts = [scores.of(str(row["run"]), str(row["trial_id"]), metric) for row in own]
            values = [part.rate for part in parts if part is not None]
            if len(values) < 2:
                continue
            changes = verdicts.get((number, metric), [])
            rows.append(
                {
                    **{name: own[0][name] for name in ("label", "model", "task")},
                    "metric": metric,
                    "seeds": len(values),
                    "mean": fmean(values),
                    "spread": stdev(values),
                    "least": min(values),
                    "most": max(values),
                    "above": sum(change > 0 for change in changes),
                    "below": sum(change < 0 for change in changes),
                }
            )
    numbers = [(name, pa.float64()) for name in ("mean", "spread", "least", "most")]
    counts = [(name, pa.int64()) for name in ("above", "below")]
    words = [(name, pa.string()) for name in ("label", "model", "task", "metric")]
    return pa.Table.from_pylist(rows, pa.schema([*words, ("seeds", pa.int64()), *numbers, *counts]))
