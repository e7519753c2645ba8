"""Greedy placement of short labels next to points, without overlaps, over rings of candidate positions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation, Text
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MARKER_RADIUS_PT = 4.5
# diagonals first, because a point's error bars run horizontally and vertically
DIRECTIONS = ((1, 1), (1, -1), (-1, 1), (-1, -1), (1, 0), (-1, 0), (0, 1), (0, -1))
DISTANCES_PT = (7.5, 14.0, 22.0, 32.0, 44.0)
LEADER_FROM_PT = 20.0  # from this distance on, a thin line connects the text with its point
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
    if not labels:
        return
    pixels_per_pt = ax.figure.get_dpi() / 72
    points = ax.transData.transform([(label.x, label.y) for label in labels])
    radii = np.array([[label.radius_pt * pixels_per_pt] for label in labels])
    taken = np.hstack([points - radii, points + radii])  # boxes as rows of x0, y0, x1, y1
    for point, label in sorted(zip(points, labels, strict=True), key=lambda each: not each[1].must):
        if label.text and (box := _place(ax, renderer, label, point, taken, points)) is not None:
            taken = np.vstack([taken, box])


def _place(
    ax: Axes, renderer: RendererBase, label: PointLabel, point: Floats, taken: Floats, points: Floats
) -> Floats | None:
    """Write one label at the nearest free position and return its box.

    Where no line leads to its point, no other of `points` may be nearer.
    """
    pixels_per_pt = ax.figure.get_dpi() / 72
    frame = ax.get_window_extent(renderer)
    size = _size(ax, renderer, label)
    for distance in DISTANCES_PT:
        for direction in DIRECTIONS:
            box = _box(point, size, direction, distance * pixels_per_pt)
            inside = (box[:2] >= frame.min).all() and (box[2:] <= frame.max).all()
            if not inside or ((box[:2] < taken[:, 2:]) & (box[2:] > taken[:, :2])).all(axis=1).any():
                continue
            if distance >= LEADER_FROM_PT or _nearest(box, points) >= (distance - 1) * pixels_per_pt:
                _write(ax, label, direction, distance)
                return box
    if not label.must:
        return None
    _write(ax, label, (1, 1), DISTANCES_PT[0])
    return _box(point, size, (1, 1), DISTANCES_PT[0] * pixels_per_pt)


def _nearest(box: Floats, points: Floats) -> float:
    """Return the distance of the nearest of `points` from a box, 0 for one inside."""
    aside = np.maximum(np.maximum(box[:2] - points, points - box[2:]), 0.0)
    return float(np.hypot(*aside.T).min())


def _size(ax: Axes, renderer: RendererBase, label: PointLabel) -> Floats:
    """Return width and height of the label's text in pixels."""
    text = _write(ax, label, DIRECTIONS[0], DISTANCES_PT[0])
    box = Text.get_window_extent(text, renderer)
    text.remove()
    return np.array([box.width, box.height])


def _box(point: Floats, size: Floats, direction: tuple[int, int], distance: float) -> Floats:
    """Return the box, in pixels, of a text at this distance of a point, as `_write` aligns it."""
    towards = np.array(direction)
    middle = point + towards * (distance / np.hypot(*towards) + size / 2)
    return np.concatenate([middle - size / 2, middle + size / 2])


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
