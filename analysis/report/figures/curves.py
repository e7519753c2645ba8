"""Figures 3, 4 and 5 of the paper, and JSR(k)."""

import plotly.graph_objects as go  # type: ignore[import-untyped]
import pyarrow as pa
import pyarrow.compute as pc

from analysis.report.figures.style import LINES, METRICS, SERIES, SYMBOLS, arms, figure, percent, rate_text
from analysis.report.text import for_plotly, short


def preview_length(single: pa.Table, means: pa.Table) -> go.Figure:
    """Return Figure 4: `curves.preview_lengths` as points, their `curves.summary` as lines; in percent."""
    drawn = figure("previewed answer tokens", "%")
    for metric, (name, colour, symbol, dash) in METRICS.items():
        line = means.filter(pc.equal(means["metric"], metric)).to_pylist()
        if not line:
            continue
        values = [100 * row["value"] for row in line]
        drawn.add_scatter(
            x=[row["length_tokens"] for row in line],
            y=values,
            name=name,
            mode="lines+markers",
            line={"color": colour, "dash": dash, "width": 2},
            marker={"symbol": symbol, "size": 8},
            error_y={
                **arms(values, percent([r["low"] for r in line]), percent([r["high"] for r in line])),
                "color": colour,
            },
            hoverinfo="text",
            hovertext=[
                f"{row['length_tokens']} tokens: mean {name} {rate_text(row['value'])}, "
                f"{row['trials']} trials"
                for row in line
            ],
        )
        own = single.filter(pc.equal(single["metric"], metric)).to_pylist()
        if len(own) > len(line):
            drawn.add_scatter(
                x=[row["length_tokens"] for row in own],
                y=percent([row["value"] for row in own]),
                mode="markers",
                marker={"symbol": symbol, "size": 6, "color": colour, "opacity": 0.4},
                showlegend=False,
                hoverinfo="text",
                hovertext=[
                    f"<b>{for_plotly(row['label'])}</b><br>{name} "
                    f"{rate_text(row['value'], row['low'], row['high'])}"
                    for row in own
                ],
            )
    lengths = sorted(set(means["length_tokens"].to_pylist()))
    drawn.update_layout(hovermode="closest")
    if len(lengths) <= 12:
        drawn.update_xaxes(tickvals=lengths, ticktext=["none" if one == 0 else str(one) for one in lengths])
    return drawn


def prefix_bars(means: pa.Table) -> go.Figure:
    """Return Figure 5: `curves.summary` of prefixes in percent, as horizontal bars for long phrases."""
    phrases = list(dict.fromkeys(means["prefix"].to_pylist()))
    drawn = figure("%", "", height=130 + 88 * len(phrases), barmode="group", bargap=0.3)
    names = [for_plotly(f"“{short(phrase, 44)}”", 24) for phrase in phrases]
    for metric, (name, colour, symbol, _) in METRICS.items():
        rows = {r["prefix"]: r for r in means.filter(pc.equal(means["metric"], metric)).to_pylist()}
        if not rows:
            continue
        own = [rows[phrase] for phrase in phrases if phrase in rows]
        values = [100 * row["value"] for row in own]
        drawn.add_bar(
            y=[phrases.index(row["prefix"]) for row in own],
            x=values,
            orientation="h",
            name=name,
            marker={
                "color": colour,
                "pattern": {
                    "shape": PATTERNS[symbol],
                    "fillmode": "overlay",
                    "fgcolor": "var(--card)",
                    "size": 6,
                },
            },
            error_x={
                **arms(values, percent([r["low"] for r in own]), percent([r["high"] for r in own])),
                "color": "var(--ink)",
            },
            hoverinfo="text",
            hovertext=[
                f"{for_plotly(short(row['prefix'], 80))}<br>{name} "
                f"{rate_text(row['value'], row['low'], row['high'])}, trials: {row['trials']}"
                for row in own
            ],
        )
    drawn.update_yaxes(tickvals=list(range(len(phrases))), ticktext=names, ticks="", autorange="reversed")
    drawn.update_xaxes(range=[0, 102])
    return drawn


PATTERNS = {"circle": "", "square": "/", "diamond": "x", "x": "."}
"""Marker -> bar pattern, so that bars are distinguished by more than colour."""


def kl_lines(kl: pa.Table) -> go.Figure:
    """Return Figure 3: `curves.kl_by_position` in nats; logarithmic if values differ much."""
    return _lines(kl, "position", "answer position, tokens", "KL to the seed model, nats", 1.0, " nats")


def jsr_lines(jsr: pa.Table) -> go.Figure:
    """Return the figure of JSR(k): `curves.jsr_by_length`, in percent."""
    return _lines(jsr, "tokens", "tokens of the harmful start (0: none, RSR)", "safe answers, %", 100.0, " %")


def _lines(table: pa.Table, x: str, x_title: str, y_title: str, scale: float, unit: str) -> go.Figure:
    drawn = figure(x_title, y_title)
    for place, trial_id in enumerate(dict.fromkeys(table["trial_id"].to_pylist())):
        own = table.filter(pc.equal(table["trial_id"], trial_id)).to_pylist()
        ends = [[None if row[end] is None else scale * row[end] for row in own] for end in ("low", "high")]
        values = [scale * row["value"] for row in own]
        colour = SERIES[place % len(SERIES)]
        if own[0]["kind"] == "seed":
            colour = "var(--ink)"
        drawn.add_scatter(
            x=[row[x] for row in own],
            y=values,
            mode="lines+markers",
            name=for_plotly(short(own[0]["label"], 90), 46),
            line={"color": colour, "dash": LINES[place % len(LINES)], "width": 2},
            marker={"symbol": SYMBOLS[place % len(SYMBOLS)], "size": 8},
            error_y={**arms(values, ends[0], ends[1]), "color": colour},
            hoverinfo="text",
            hovertext=[
                f"<b>{for_plotly(row['label'])}</b><br>{x} {row[x]}: {value:.3g}{unit}, n = {row['n']}"
                for row, value in zip(own, values, strict=True)
            ],
        )
    drawn.update_yaxes(rangemode="tozero")
    points = sorted(set(table[x].to_pylist()))
    if len(points) <= 12:
        drawn.update_xaxes(tickvals=points)
    return drawn
