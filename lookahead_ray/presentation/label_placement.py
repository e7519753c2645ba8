"""Greedy placement of short labels next to points, without overlaps, over rings of candidate positions."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot

from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

MARKER_RADIUS_PT = 4.5
# diagonals first, because a point's error bars run horizontally and vertically
DIRECTIONS = ((1, 1), (1, -1), (-1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1))
DISTANCES_PT = (7.5, 14.0, 22.0, 32.0, 44.0)
LEADER_FROM_PT = 20.0  # from this distance on, a thin line connects the text with its point
TOLERANCE_PT = 1.0  # a text's box is a little larger or smaller than its letters
HORIZONTAL = {1: "left", 0: "center", -1: "right"}
VERTICAL = {1: "bottom", 0: "center", -1: "top"}


@dataclass(frozen=True)
class PointLabel:
    """A label to place; with `must`, it is written even if it overlaps others."""

    x: float
    y: float
    text: str
    must: bool = False
    bold: bool = False
    radius_pt: float = MARKER_RADIUS_PT  # radius of the marker, which no text may cover


def place_labels(ax: Axes, renderer: RendererBase, labels: Sequence[PointLabel]) -> None:
    """Write the labels, `must` ones first; leave out others that would overlap text or a marker.

    The figure's layout must be final, because positions are computed in pixels.
    """
    pixels_per_pt = ax.figure.get_dpi() / 72
    centres: list[tuple[float, float]] = []
    markers = []
    for label in labels:
        (x, y), radius = ax.transData.transform((label.x, label.y)), label.radius_pt * pixels_per_pt
        centres.append((x, y))
        markers.append(Bbox.from_bounds(x - radius, y - radius, 2 * radius, 2 * radius))
    frame = ax.get_window_extent(renderer)
    placed: list[Bbox] = []
    for label in sorted(labels, key=lambda label: not label.must):
        if not label.text:
            continue
        found = _place(ax, renderer, label, [*placed, *markers], centres, frame)
        if found:
            placed.append(found)


def _place(
    ax: Axes,
    renderer: RendererBase,
    label: PointLabel,
    taken: Sequence[Bbox],
    centres: Sequence[tuple[float, float]],
    frame: Bbox,
) -> Bbox | None:
    """Write one label at the nearest free position and return its box.

    Where no line leads to its point, no other of the points at `centres` may be nearer.
    """
    pixels_per_pt = ax.figure.get_dpi() / 72
    for distance in DISTANCES_PT:
        for direction in DIRECTIONS:
            text = _write(ax, label, direction, distance)
            box = _box(text, renderer)
            inside = frame.containsx(box.x0) and frame.containsx(box.x1)
            inside = inside and frame.containsy(box.y0) and frame.containsy(box.y1)
            nearest = min(_distance(box, centre) for centre in centres) / pixels_per_pt
            clear = distance >= LEADER_FROM_PT or nearest >= distance - TOLERANCE_PT
            if inside and clear and not box.count_overlaps(list(taken)):
                return box
            text.remove()
    if not label.must:
        return None
    return _box(_write(ax, label, (1, 1), DISTANCES_PT[0]), renderer)


def _distance(box: Bbox, point: tuple[float, float]) -> float:
    """Return the distance from a point to a box, 0 inside."""
    x, y = point
    return hypot(max(box.x0 - x, 0.0, x - box.x1), max(box.y0 - y, 0.0, y - box.y1))


def _box(text: Annotation, renderer: RendererBase) -> Bbox:
    """Return the box, in pixels, that the text covers, without its leader line, which may be crossed."""
    text.update_positions(renderer)
    x0, y0, x1, y1 = Text.get_window_extent(text, renderer).extents
    return Bbox.from_extents(x0, y0, x1, y1)


def _write(ax: Axes, label: PointLabel, direction: tuple[int, int], distance_pt: float) -> Annotation:
    dx, dy = direction
    length = (dx * dx + dy * dy) ** 0.5
    line = {"arrowstyle": "-", "linewidth": 0.5, "color": "0.45", "shrinkA": 0, "shrinkB": 4}
    nearest = {"relpos": ((1 - dx) / 2, (1 - dy) / 2)}  # the corner that is nearest to the point
    return ax.annotate(
        label.text,
        (label.x, label.y),
        xytext=(dx * distance_pt / length, dy * distance_pt / length),
        textcoords="offset points",
        ha=HORIZONTAL[dx],
        va=VERTICAL[dy],
        fontsize=8,
        fontweight="bold" if label.bold else "normal",
        color="0.15",
        parse_math=False,
        zorder=6,
        arrowprops={**line, **nearest} if distance_pt >= LEADER_FROM_PT else None,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )
