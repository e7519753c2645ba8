"""Figures of the search: parallel coordinates, importance, history."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go  # type: ignore[import-untyped]
import pyarrow as pa
import pyarrow.compute as pc

from analysis.report.data.coordinates import Axis
from analysis.report.figures.style import figure
from analysis.report.text import for_plotly, short

TARGETS = {
    "merit": ("objective", "var(--ink)", ""),
    "safety": ("safety", "var(--true)", "/"),
    "utility": ("utility", "var(--virtual)", "x"),
}
SHADES = ("var(--s1)", "var(--s2)", "var(--s3)", "var(--s4)", "var(--s5)")


def parallel(axes: Sequence[Axis], lines: pa.Table) -> go.Figure:
    """Draw `coordinates.coordinates` as lines in five shades by the objective's rank, the best fifth darkest.

    Plain lines are used because `parcoords` needs WebGL and code made at run time, which the page forbids.
    """
    drawn = figure("", "", height=440)
    rows = lines.to_pylist()
    for place, colour in enumerate(SHADES):
        own = rows[len(rows) * place // len(SHADES) : len(rows) * (place + 1) // len(SHADES)]
        if own:
            drawn.add_scatter(
                **_strands(axes, own),
                line={"color": colour, "width": 1 + 0.25 * place},
                name=f"{_merit(own[0])} to {_merit(own[-1])}",
            )
    for index, axis in enumerate(axes):
        drawn.add_shape(
            type="line", x0=index, x1=index, y0=0, y1=1, line={"color": "var(--axis)", "width": 1}
        )
        for at, text in axis.ticks:
            last = index == len(axes) - 1
            drawn.add_annotation(
                x=index,
                y=at,
                text=for_plotly(text, 40),
                showarrow=False,
                xanchor="right" if last else "left",
                xshift=-4 if last else 4,
                font={"size": 11, "color": "var(--ink)"},
                bgcolor="var(--veil)",
            )
    names = [_axis_name(axis.name, 12) for axis in axes]
    drawn.update_xaxes(
        tickvals=list(range(len(axes))),
        ticktext=names,
        showgrid=False,
        range=[-0.3, len(axes) - 0.7],
        tickangle=0,
        ticks="",
        side="bottom",
        ticklabeloverflow="allow",
    )
    drawn.update_yaxes(visible=False, range=[-0.04, 1.04])
    drawn.update_layout(legend={"title": {"text": "objective "}})
    return drawn


def importance_bars(table: pa.Table) -> go.Figure:
    """Return `importance.importances` as a group of bars for each dimension, shares in percent."""
    names = list(dict.fromkeys(table["parameter"].to_pylist()))
    drawn = figure("importance, %", "", height=120 + 62 * len(names), barmode="group")
    for target, (title, colour, pattern) in TARGETS.items():
        own = table.filter(pc.equal(table["target"], target)).to_pylist()
        if own:
            drawn.add_bar(
                y=[names.index(row["parameter"]) for row in own],
                x=[100 * row["importance"] for row in own],
                orientation="h",
                name=title,
                hoverinfo="text",
                hovertext=[
                    f"{for_plotly(row['parameter'])}: {100 * row['importance']:.1f} % of what decides "
                    f"{title}, {row['trials']} trials"
                    for row in own
                ],
                marker={
                    "color": colour,
                    "pattern": {"shape": pattern, "fillmode": "overlay", "fgcolor": "var(--card)", "size": 6},
                },
            )
    texts = [_axis_name(name, 18) for name in names]
    drawn.update_yaxes(tickvals=list(range(len(names))), ticktext=texts, autorange="reversed", ticks="")
    drawn.update_xaxes(rangemode="tozero")
    return drawn


def objective_lines(history: pa.Table) -> go.Figure:
    """Return `history.objective_history` as a figure: each trial's objective, and the best so far."""
    drawn = figure("trial, in the order they ended", "objective", height=360)
    columns = history.to_pydict()
    drawn.add_scatter(
        x=columns["number"],
        y=columns["merit"],
        mode="markers",
        name="trial",
        hoverinfo="text",
        hovertext=[
            f"<b>{for_plotly(text)}</b><br>{value:.4g}"
            for text, value in zip(columns["label"], columns["merit"], strict=True)
        ],
        marker={"color": "var(--true)", "size": 6, "opacity": 0.7},
    )
    drawn.add_scatter(
        x=columns["number"],
        y=columns["best"],
        mode="lines",
        name="best so far",
        hoverinfo="x+y",
        line={"shape": "hv", "color": "var(--vanilla)", "width": 2},
    )
    return drawn


def hypervolume_line(history: pa.Table) -> go.Figure:
    """Return `history.hypervolume_history` as a figure."""
    drawn = figure("trial, in the order they ended", "hypervolume", height=360)
    columns = history.to_pydict()
    drawn.add_scatter(
        x=columns["number"],
        y=columns["hypervolume"],
        mode="lines+markers" if len(history) < 60 else "lines",
        name="hypervolume",
        hoverinfo="x+y",
        line={"shape": "hv", "color": "var(--virtual)", "width": 2},
        showlegend=False,
    )
    drawn.update_yaxes(rangemode="tozero")
    return drawn


def _strands(axes: Sequence[Axis], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return all rows as one line with gaps."""
    x: list[float | None] = []
    y: list[float | None] = []
    texts: list[str] = []
    for row in rows:
        text = f"<b>{for_plotly(row['label'])}</b><br>objective {_merit(row)}"
        for index, place in enumerate(row["places"]):
            if place is not None:  # the line skips a dimension that this trial does not have
                x.append(index)
                y.append(place)
                texts.append(text)
        x.append(None)
        y.append(None)
        texts.append("")
    return {"x": x, "y": y, "mode": "lines", "hoverinfo": "text", "hovertext": texts, "opacity": 0.75}


def _axis_name(name: str, width: int) -> str:
    """Return a dimension's dotted name as wrapped words."""
    words = name.removeprefix("training.").replace("_", " ").replace(".", " ")
    return for_plotly(short(words, 48), width)


def _merit(row: dict[str, Any]) -> str:
    return f"{row['merit']:.3g}"
