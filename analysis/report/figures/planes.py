"""Scatter plots with one point per trial: safety against utility, utility against FLOPs."""

from typing import Any

import plotly.graph_objects as go  # type: ignore[import-untyped]
import pyarrow as pa
import pyarrow.compute as pc

from analysis.report.figures.style import TO_DRAW, arms, figure, percent, rate_text
from analysis.report.text import for_plotly

MOST_BARS = 60
"""Maximum number of points for which all intervals are drawn; beyond it, only those of marked points."""
RATES = {"rsr": "RSR", "jsr": "JSR", "over_refusal": "over-refusal", "utility": "utility"}


def tradeoff(points: pa.Table, metric: str, front: list[str], recommended: str | None) -> go.Figure:
    """Plot `metric` (rsr or jsr) against utility in percent, with 95 % intervals and the Pareto front.

    `points` are rows of the frame; rows without one of the values are left out.
    """
    drawn = figure("utility, %", f"{RATES[metric]}, %", height=460)
    points = points.filter(pc.and_(pc.is_valid(points["utility"]), pc.is_valid(points[metric])))
    rows = {row["trial_id"]: row for row in points.to_pylist()}
    steps = [rows[trial_id] for trial_id in front if trial_id in rows]
    if steps:
        drawn.add_scatter(
            x=percent([row["utility"] for row in steps]),
            y=percent([row[metric] for row in steps]),
            mode="lines",
            line={"shape": "vh", "color": "var(--muted)", "width": 1.5, "dash": "dot"},
            name="Pareto front",
            hoverinfo="skip",
        )
    marked = {*front, recommended}
    for kind, (name, colour, symbol) in TO_DRAW.items():
        own = [row for row in rows.values() if row["kind"] == kind]
        barred = len(rows) <= MOST_BARS
        bars = [
            row if barred or row["trial_id"] in marked or row["kind"] in ("seed", "vanilla") else None
            for row in own
        ]
        if own:
            drawn.add_scatter(
                x=percent([row["utility"] for row in own]),
                y=percent([row[metric] for row in own]),
                error_x=_bars(own, bars, "utility", colour),
                error_y=_bars(own, bars, metric, colour),
                mode="markers",
                name=name,
                hoverinfo="text",
                hovertext=[_hover(row) for row in own],
                marker={
                    "color": colour,
                    "symbol": symbol,
                    "size": 9,
                    "line": {"width": 1, "color": "var(--card)"},
                },
            )
    if recommended in rows:
        chosen = rows[recommended]
        drawn.add_scatter(
            x=[100 * chosen["utility"]],
            y=[100 * chosen[metric]],
            mode="markers",
            name="recommended",
            marker={"symbol": "circle-open", "size": 20, "color": "var(--ink)", "line": {"width": 2}},
            hoverinfo="skip",
        )
    return drawn


def utility_flops(points: pa.Table, recommended: str | None) -> go.Figure:
    """Plot utility in percent against training FLOPs; rows without one of them are left out."""
    drawn = figure("training FLOPs (T: 10¹²)", "utility, %")
    points = points.filter(
        pc.and_(pc.is_valid(points["utility"]), pc.greater(pc.fill_null(points["flops"], 0.0), 0.0))
    )
    rows = points.to_pylist()
    for kind, (name, colour, symbol) in TO_DRAW.items():
        own = [row for row in rows if row["kind"] == kind]
        bars = [row if len(rows) <= MOST_BARS or row["trial_id"] == recommended else None for row in own]
        if own:
            drawn.add_scatter(
                x=[row["flops"] for row in own],
                y=percent([row["utility"] for row in own]),
                error_y=_bars(own, bars, "utility", colour),
                mode="markers",
                name=name,
                hoverinfo="text",
                hovertext=[f"{_hover(row)}<br>FLOPs {row['flops']:.4g}" for row in own],
                marker={
                    "color": colour,
                    "symbol": symbol,
                    "size": 9,
                    "line": {"width": 1, "color": "var(--card)"},
                },
            )
    flops = [row["flops"] for row in rows]
    if flops and max(flops) / min(flops) > 30:
        drawn.update_xaxes(type="log")
    drawn.update_xaxes(tickformat="~s", nticks=6)
    return drawn


def _bars(rows: list[Any], barred: list[Any], metric: str, colour: str) -> dict[str, Any]:
    low = [one and one[f"{metric}_low"] for one in barred]
    high = [one and one[f"{metric}_high"] for one in barred]
    ends = arms([100 * row[metric] for row in rows], percent(low), percent(high))
    return {**ends, "color": colour, "width": 0}


def _hover(row: dict[str, Any]) -> str:
    """Return the hover text: the configuration and the rates."""
    lines = [f"<b>{for_plotly(row['label'])}</b>", for_plotly(row["trial_id"])]
    for metric, name in RATES.items():
        if row[metric] is not None:
            lines.append(f"{name} {rate_text(row[metric], row[f'{metric}_low'], row[f'{metric}_high'])}")
    lines.append(f"learning rate {row['learning_rate']:g}, epochs {row['epochs']}, seed {row['seed']}")
    return "<br>".join(lines)
