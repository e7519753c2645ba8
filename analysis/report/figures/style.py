"""Colours, markers and axes of all figures. The page's script inserts the colours of the scheme."""

from typing import Any

import plotly.graph_objects as go  # type: ignore[import-untyped]

KINDS = {
    "seed": ("seed model", "var(--ink)", "cross"),
    "vanilla": ("vanilla", "var(--vanilla)", "square"),
    "none": ("no preview", "var(--none)", "x"),
    "true": ("true preview", "var(--true)", "circle"),
    "virtual": ("virtual preview", "var(--virtual)", "diamond"),
}
"""Kind of trial -> name in legends, colour (Okabe and Ito 2008), plotly marker."""
TO_DRAW = {kind: KINDS[kind] for kind in ("none", "true", "virtual", "seed", "vanilla")}
"""Kinds in drawing order: vanilla comes last, because the same configuration may have the same position."""
METRICS = {
    "rsr": ("RSR", "var(--true)", "circle", "solid"),
    "jsr": ("JSR", "var(--vanilla)", "square", "dash"),
    "utility": ("utility", "var(--virtual)", "diamond", "dot"),
    "over_refusal": ("over-refusal", "var(--none)", "x", "dashdot"),
}
LINES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SERIES = ("var(--vanilla)", "var(--true)", "var(--virtual)", "var(--none)", "var(--orange)", "var(--sky)")
SYMBOLS = ("square", "circle", "diamond", "x", "triangle-up", "star", "cross", "triangle-down")


def figure(x: str, y: str, height: int = 420, **layout: Any) -> go.Figure:
    """Return an empty figure with named axes and the legend above it."""
    made = go.Figure()
    axis = {
        "gridcolor": "var(--grid)",
        "linecolor": "var(--axis)",
        "zeroline": False,
        "ticks": "outside",
        "tickcolor": "var(--axis)",
        "automargin": True,
    }
    made.update_layout(
        template="none",
        height=height,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": "var(--ink)", "size": 13, "family": "system-ui, sans-serif"},
        margin={"l": 12, "r": 14, "t": 14, "b": 12},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "bgcolor": "rgba(0,0,0,0)"},
        hoverlabel={
            "bgcolor": "var(--card)",
            "bordercolor": "var(--axis)",
            "align": "left",
            "font": {"color": "var(--ink)", "size": 12},
            "namelength": -1,
        },
        hovermode="closest",
        xaxis={**axis, "title": {"text": x, "standoff": 10}},
        yaxis={**axis, "title": {"text": y, "standoff": 10}},
    )
    made.update_layout(**layout)
    return made


def arms(values: list[float], low: list[float | None], high: list[float | None]) -> dict[str, Any]:
    """Return error bars from the ends of intervals; there is no bar if an end is null."""
    pairs = list(zip(values, low, high, strict=True))
    return {
        "type": "data",
        "symmetric": False,
        "array": [0.0 if h is None else max(h - v, 0.0) for v, _, h in pairs],
        "arrayminus": [0.0 if w is None else max(v - w, 0.0) for v, w, _ in pairs],
        "thickness": 1,
        "width": 3,
    }


def percent(values: list[float | None]) -> list[float | None]:
    """Return shares as percent."""
    return [None if value is None else 100 * value for value in values]


def rate_text(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """Return a rate as "93.8 % [86.2, 97.3]", or "–" for null."""
    if value is None:
        return "–"
    interval = "" if low is None or high is None else f" [{100 * low:.1f}, {100 * high:.1f}]"
    return f"{100 * value:.1f} %{interval}"
