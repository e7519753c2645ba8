"""Labels stand next to their own points."""

from itertools import pairwise
from math import dist

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation

from lookahead_ray.presentation.label_placement import PointLabel, place_labels


def written(points: list[tuple[float, float]]) -> dict[str, Annotation]:
    figure = Figure(figsize=(6, 4))
    canvas = FigureCanvasAgg(figure)
    ax = figure.add_subplot()
    ax.set(xlim=(0, 1), ylim=(0, 1))
    canvas.draw()
    place_labels(ax, canvas.get_renderer(), [PointLabel(x, y, str(i)) for i, (x, y) in enumerate(points)])
    return {text.get_text(): text for text in ax.texts if isinstance(text, Annotation)}


@pytest.mark.parametrize("apart", [0.02, 0.03, 0.04])
@pytest.mark.parametrize("direction", [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1)])
def test_no_label_is_nearer_to_another_point(apart: float, direction: tuple[int, int]) -> None:
    dx, dy = direction
    points = [(0.5 + step * apart * dx, 0.5 + step * apart * dy) for step in range(3)]
    texts = written(points)
    assert texts
    for number, text in texts.items():
        if text.arrow_patch is not None:  # a line leads to its point
            continue
        (x0, y0), (x1, y1) = text.get_window_extent().get_points()
        pixels = text.axes.transData.transform(points)
        distances = [dist((x, y), (min(max(x, x0), x1), min(max(y, y0), y1))) for x, y in pixels]
        assert distances[int(number)] <= min(distances) + 2


def test_labels_never_overlap() -> None:
    texts = [*written([(0.5, 0.5 + 0.02 * step) for step in range(6)]).values()]
    boxes = sorted((text.get_window_extent() for text in texts), key=lambda box: box.y0)
    assert len(boxes) >= 4
    assert not any(low.overlaps(high) for low, high in pairwise(boxes))
