"""Figures 3, 4 and 5 of the paper with matplotlib; lines, markers and hatches distinguish as colours do."""

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lookahead_ray.errors import LookaheadRayError
from lookahead_ray.presentation.fonts import choose_fonts, drawing_with
from lookahead_ray.sanitize import clean
from lookahead_ray.trial.label import additions_to_vanilla

# colours of Okabe and Ito 2008 that are dark enough on white paper
LINES: tuple[tuple[str, str, Any], ...] = (
    ("#D55E00", "s", "--"),
    ("#0072B2", "o", "-"),
    ("#009E73", "D", "-."),
    ("#CC79A7", "^", ":"),
    ("#000000", "v", (0, (5, 1))),
    ("#E69F00", "P", (0, (3, 1, 1, 1))),
)
METRICS = {
    "rsr": ("RSR", "#0072B2", "o", "-", ""),
    "jsr": ("JSR", "#D55E00", "s", "--", "////"),
    "utility": ("utility", "#009E73", "D", "-.", "...."),
}
STYLE: Any = {  # rcParams
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.9",
    "axes.axisbelow": True,
    "hatch.linewidth": 0.6,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "svg.hashsalt": "lookahead",
}
WIDTH_IN = 5.5  # text width of a conference paper, in inches
FORMATS = ("png", "svg", "pdf")


def draw_3(table: pa.Table) -> Figure:
    """Draw Figure 3: KL to the seed model by answer position, one line per configuration, 95 % intervals."""
    figure, ax = _figure(3.4)
    numbers = list(dict.fromkeys(table["configuration"].to_pylist()))
    for place, number in enumerate(numbers):
        rows = table.filter(pc.equal(table["configuration"], number)).to_pylist()
        colour, marker, line = LINES[place % len(LINES)]
        name = _wrapped(rows[0]["label"], 40)
        shift = 0.08 * (place - (len(numbers) - 1) / 2)
        x = [row["position"] + shift for row in rows]
        _line(ax, x, rows, 1.0, label=name, color=colour, marker=marker, linestyle=line)
    ax.set_xlabel("answer position, tokens")
    ax.set_ylabel("KL to the seed model, nats")
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(fontsize=7.5, frameon=False)
    return figure


def draw_4(table: pa.Table) -> Figure:
    """Draw Figure 4: RSR, JSR and utility by previewed tokens, in percent, with 95 % intervals."""
    figure, ax = _figure(3.4)
    lengths = sorted(set(table["length_tokens"].to_pylist()))
    for place, (metric, (name, colour, marker, line, _)) in enumerate(METRICS.items()):
        rows = table.filter(pc.equal(table["metric"], metric)).to_pylist()
        if rows:
            shift = 0.012 * (lengths[-1] - lengths[0]) * (place - 1)
            x = [row["length_tokens"] + shift for row in rows]
            _line(ax, x, rows, 100.0, label=name, color=colour, marker=marker, linestyle=line)
    ax.set_xticks(lengths, ["none" if one == 0 else str(one) for one in lengths])
    ax.set_xlabel("previewed answer tokens")
    ax.set_ylabel("%")
    ax.set_ylim(0, 102)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    figure.supxlabel(_shared(table), fontsize=7.5, color="0.3")
    return figure


def draw_5(table: pa.Table) -> Figure:
    """Draw Figure 5: RSR, JSR and utility of each prefix as bars, in percent, with 95 % intervals."""
    prefixes = list(dict.fromkeys(table["prefix"].to_pylist()))
    figure, ax = _figure(1.4 + 0.75 * len(prefixes))
    for place, (metric, (name, colour, _, _, hatch)) in enumerate(METRICS.items()):
        rows = table.filter(pc.equal(table["metric"], metric)).to_pylist()
        if not rows:
            continue
        y = [prefixes.index(row["prefix"]) + 0.26 * (place - 1) for row in rows]
        values = [100 * row["value"] for row in rows]
        arms = _arms(rows, 100.0)
        style: dict[str, Any] = {"label": name, "color": colour, "hatch": hatch, "edgecolor": "white"}
        ax.barh(y, values, 0.25, xerr=arms, error_kw={"linewidth": 0.9, "capsize": 2}, **style)
    ax.set_yticks(range(len(prefixes)), [_phrase(one) for one in prefixes])
    ax.invert_yaxis()
    ax.grid(visible=False, axis="y")
    ax.set_xlim(0, 102)
    ax.set_xlabel("%")
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    figure.supxlabel(_shared(table), fontsize=7.5, color="0.3")
    return figure


def save(draw: Callable[[pa.Table], Figure], table: pa.Table, out: Path, form: str) -> str | None:
    """Draw the table and write the figure as png (300 dpi), svg or pdf.

    Returned is a line for the user if no installed font shows a label. Raises `LookaheadRayError` if the file
    can't be written.
    """
    columns = [table[name].to_pylist() for name in ("prefix", "label") if name in table.column_names]
    texts = [clean(text) for column in columns for text in column if text]
    fonts = choose_fonts(texts)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with drawing_with(fonts, STYLE):
            metadata = {"Date": None} if form == "svg" else None
            draw(table).savefig(out, format=form, dpi=300, metadata=metadata)
    except OSError as error:
        raise LookaheadRayError(f"{out}: cannot write: {error.strerror or error}") from error
    note = fonts.note(texts, "the figure has boxes in its place")
    return f"figure: {note}" if note else None


def _figure(height_in: float) -> tuple[Figure, Axes]:
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
        FigureCanvasAgg(figure)
        return figure, figure.subplots()


def _line(ax: Axes, x: list[float], rows: list[dict[str, Any]], scale: float, **style: Any) -> None:
    values = [scale * row["value"] for row in rows]
    ax.errorbar(
        x, values, yerr=_arms(rows, scale), markersize=4.5, linewidth=1.4, capsize=2, elinewidth=0.9, **style
    )


def _arms(rows: list[dict[str, Any]], scale: float) -> list[list[float]]:
    """Return the lengths of error bars below and above; 0 if an end of the interval is null."""
    below = [0.0 if row["low"] is None else max(scale * (row["value"] - row["low"]), 0.0) for row in rows]
    above = [0.0 if row["high"] is None else max(scale * (row["high"] - row["value"]), 0.0) for row in rows]
    return [below, above]


def _shared(table: pa.Table) -> str:
    """Return text on the settings that all points share."""
    rest = json.loads(table["rest"][0].as_py())
    training, n = rest.get("training", {}), sorted({*table["n"].to_pylist()} - {None})
    parts = [
        f"{key.replace('_', ' ')} {training[key]}" for key in ("learning_rate", "epochs") if key in training
    ]
    parts += additions_to_vanilla(rest)
    seeds = sorted(set(table["seeds"].to_pylist()))
    parts.append(f"n = {' or '.join(map(str, n))} prompts")
    parts.append(f"{' to '.join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))} seed{'s' * (seeds[-1] > 1)}")
    return clean(", ".join(parts)).replace("$", r"\$")


def _phrase(prefix: str | None) -> str:
    return "vanilla (none)" if prefix is None else _wrapped(f"“{clean(prefix)}”", 26)


def _wrapped(text: str, width: int) -> str:
    return "\n".join(textwrap.wrap(text, width, max_lines=3, placeholder="…")).replace("$", r"\$")
