"""Markers, colours and legend of the trade-off plot."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from lookahead_ray.presentation.tradeoff_points import Kind, PlotPoint, pareto_front

NAMES: dict[Kind, str] = {
    "seed": "seed model (not trained)",
    "vanilla": "vanilla fine-tuning",
    "true": "true preview, m tokens",
    "virtual": "virtual preview, prefix",
    "other": "no preview",
}
MARKERS: dict[Kind, str] = {"seed": "s", "vanilla": "X", "true": "o", "virtual": "D", "other": "P"}
COLOURS: dict[Kind, str] = {
    "seed": "#000000",
    "vanilla": "#d55e00",  # Okabe and Ito's vermillion; the others from the same colour-blind safe set
    "true": "#1f9e89",
    "virtual": "#cc79a7",
    "other": "#999999",
}
RING_COLOUR = "#009e73"
"""Colour of the ring around the recommended configuration."""

FLOOR_COLOUR = "#0072b2"
"""Colour of the line at the objective's minimum safety."""


def draw_legend(
    figure: Figure,
    axes: Sequence[Axes],
    points: Sequence[PlotPoint],
    chosen: str | None,
    norm: Normalize,
    colours: Colormap,
    *,
    has_floor: bool,
) -> None:
    """Draw the legend outside the data; the colour bar for lengths only if there are several lengths.

    Args:
        axes: of all panels; the colour bar takes its space from them.
        points: of one panel.
        chosen: id of the recommended trial.
        norm: maps a preview's length in tokens to 0..1, which `colours` maps to a colour.
        has_floor: whether a line shows the objective's minimum safety.
    """
    handles = []
    for kind, name in NAMES.items():
        if any(point.kind == kind for point in points):
            marker = _marker(MARKERS[kind], name, COLOURS[kind])
            marker.set(markersize=8, markeredgecolor="white")
            handles.append(marker)
    if len(pareto_front(points)) > 1:
        handles.append(Line2D([], [], color="0.4", linewidth=0.9, label="Pareto front"))
    if has_floor:
        handles.append(
            Line2D([], [], color=FLOOR_COLOUR, linewidth=1.1, linestyle="--", label="safety floor")
        )
    if any(point.trial_id == chosen for point in points):
        ring = _marker("o", "recommended", RING_COLOUR)
        ring.set(markersize=12, markeredgewidth=1.8, fillstyle="none")
        handles.append(ring)
    if handles:
        figure.legend(
            handles=handles, loc="outside right upper", frameon=False, fontsize=8.5, labelspacing=0.9
        )
    lengths = sorted({point.length_tokens for point in points if point.length_tokens})
    if len(lengths) > 1:
        bar = figure.colorbar(
            ScalarMappable(norm, colours),
            ax=list(axes),
            fraction=0.03,
            pad=0.02,
            shrink=0.5,
            anchor=(0.0, 0.0),
        )
        ticks = _legible_ticks([(length, float(norm(length))) for length in lengths])
        bar.ax.yaxis.set_major_locator(FixedLocator([float(tick) for tick in ticks]))
        bar.ax.yaxis.set_minor_locator(NullLocator())
        bar.ax.set_yticklabels([str(tick) for tick in ticks], fontsize=8)
        bar.set_label("true preview: m tokens", fontsize=8.5)


def _marker(marker: str, label: str, colour: str) -> Line2D:
    return Line2D([], [], linestyle="", marker=marker, color=colour, label=label)


def _legible_ticks(heights: Sequence[tuple[int, float]]) -> list[int]:
    """Return the longest length, and the shorter ones whose labels are far enough apart to read.

    `heights` are lengths with their positions on the colour bar, 0..1, both ascending.
    """
    kept = [heights[-1]]
    for length, height in reversed(heights[:-1]):
        if kept[-1][1] - height >= 0.05:
            kept.append((length, height))
    return [length for length, _ in reversed(kept)]
