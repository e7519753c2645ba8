"""Data of the paper's Figures 4 and 5, as tables."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from analysis.paper.missing import FigureError, named

METRICS = ("rsr", "jsr", "utility")


def lengths(configured: pa.Table) -> list[dict[str, Any]]:
    """Return the rows of `configured` for Figure 4's curve, in order; raise `FigureError` without any."""
    shown = configured.filter(pc.is_in(configured["kind"], pa.array(["vanilla", "none", "true"])))
    rows = [{**row, "length_tokens": row["length_tokens"] or 0} for row in shown.to_pylist()]
    series = _series(rows, "length_tokens")
    got = sorted({row["length_tokens"] for row in rows if row["kind"] == "true"})
    if len({row["length_tokens"] for row in series} - {0}) < 2:
        raise FigureError(
            "figure 4: must have completed true previews of 2 lengths or more that differ in nothing else,"
            f" got {named(map(str, got)) if got else 'none'}; missing are trials over preview.length_tokens,"
            " see tuning_spaces/preview_length.yaml"
        )
    return series


def prefixes(configured: pa.Table) -> list[dict[str, Any]]:
    """Return the rows of `configured` for Figure 5's bars, in order; raise `FigureError` without any."""
    rows = configured.filter(pc.is_in(configured["kind"], pa.array(["vanilla", "virtual"]))).to_pylist()
    series = _series(rows, "prefix")
    got = sorted({row["prefix"] for row in rows if row["prefix"] is not None})
    if len({row["prefix"] for row in series} - {None}) < 2:
        raise FigureError(
            "figure 5: must have completed previews of 2 prefixes or more that differ in nothing else,"
            f" got {named(map(repr, got)) if got else 'none'}; missing are trials over preview.prefix, see "
            "tuning_spaces/prefix.yaml"
        )
    return series


def figure_4(configured: pa.Table, measured: pa.Table) -> pa.Table:
    """Return the data of Figure 4.

    Columns: length_tokens (0: no preview), metric (rsr, jsr, utility), value, low, high, n, label, rest.

    A curve consists of configurations that differ only in the preview's length. Of several curves, the one
    with the most lengths is returned, preferably with vanilla's settings; `rest` is their common settings.
    """
    return _measured(lengths(configured), measured, "length_tokens", pa.int64())


def figure_5(configured: pa.Table, measured: pa.Table) -> pa.Table:
    """Return the data of Figure 5, of configurations that differ only in the prefix.

    Columns as in `figure_4`: prefix (null: vanilla), metric (rsr, jsr, utility), value, low, high, n, label,
    rest.
    """
    return _measured(prefixes(configured), measured, "prefix", pa.string())


def _series(rows: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """Return one row per value of `key`, with equal other settings; without preview, vanilla is preferred."""
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
