"""The legend of the trade-off's picture, and the marks and colours that it explains."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, NullLocator

from lookahead_ray.sweep.picture_points import Kind, pareto_front, points_of
from lookahead_ray.trial.record import TrialRecord

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
RING = "#009e73"
FLOOR = "#0072b2"


def draw_legend(
    figure: Figure,
    axes: Sequence[Axes],
    records: Sequence[TrialRecord],
    chosen: str | None,
    norm: Normalize,
    colours: Colormap,
    floor: bool,
) -> None:
    """Outside of the data; the lengths' colour bar only where there is more than one length."""
    points = points_of(records, "rsr")
    handles = []
    for kind, name in NAMES.items():
        if any(point.kind == kind for point in points):
            marker = _marker(MARKERS[kind], name, COLOURS[kind])
            marker.set(markersize=8, markeredgecolor="white")
            handles.append(marker)
    if len(pareto_front(points)) > 1:
        handles.append(Line2D([], [], color="0.4", linewidth=0.9, label="Pareto front"))
    if floor:
        handles.append(Line2D([], [], color=FLOOR, linewidth=1.1, linestyle="--", label="safety floor"))
    if any(point.trial_id == chosen for point in points):
        ring = _marker("o", "recommended", RING)
        ring.set(markersize=12, markeredgewidth=1.8, fillstyle="none")
        handles.append(ring)
    if handles:
        figure.legend(
            handles=handles, loc="outside right upper", frameon=False, fontsize=8.5, labelspacing=0.9
        )
    lengths = sorted({point.length_tokens for point in points if point.length_tokens})
    if len(lengths) > 1:
        place: dict[str, Any] = {"fraction": 0.03, "pad": 0.02, "shrink": 0.5, "anchor": (0.0, 0.0)}
        bar = figure.colorbar(ScalarMappable(norm, colours), ax=list(axes), **place)
        ticks = _spread([(length, float(norm(length))) for length in lengths])
        bar.ax.yaxis.set_major_locator(FixedLocator([float(tick) for tick in ticks]))
        bar.ax.yaxis.set_minor_locator(NullLocator())
        bar.ax.set_yticklabels([str(tick) for tick in ticks], fontsize=8)
        bar.set_label("true preview: m tokens", fontsize=8.5)


def _marker(marker: str, label: str, colour: str) -> Line2D:
    return Line2D([], [], linestyle="", marker=marker, color=colour, label=label)


def _spread(places: Sequence[tuple[int, float]]) -> list[int]:
    """The longest length and, going down, those far enough from the one kept before to be readable."""
    kept = [places[-1]]
    for length, place in reversed(places[:-1]):
        if kept[-1][1] - place >= 0.05:
            kept.append((length, place))
    return [length for length, _ in reversed(kept)]
