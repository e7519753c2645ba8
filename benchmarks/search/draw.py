"""A picture of search quality against training tokens."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.search.figures import SHARE, Curve, at
from benchmarks.search.visits import Trace

COLOURS = (
    "#1b6ca8", "#7fb2d9", "#2a9d8f", "#8a5fbf", "#d1495b", "#e9a23b", "#6b6b6b", "#b8b8b8", "#000000",
)  # fmt: skip
STEPS = 400  # number of budgets along the axis
PANELS: tuple[tuple[Curve, str], ...] = (
    ("share", "share of the grid's hypervolume"),
    ("regret", "regret of the weighted objective"),
)


def draw(path: Path, traces: Mapping[str, Sequence[Trace]], labels: Mapping[str, str], whole: int) -> None:
    """Draw medians over seeds with bands between the quartiles; `whole`: tokens of the whole grid."""
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(PANELS))
    tokens = np.linspace(0, whole, STEPS)
    for panel, (name, title) in zip(axes, PANELS, strict=True):
        for colour, (searcher, runs) in zip(cycle(COLOURS), traces.items(), strict=False):
            low, middle, high = np.quantile(at(runs, name, tokens), [0.25, 0.5, 0.75], axis=0)
            panel.plot(100 * tokens / whole, middle, color=colour, label=labels[searcher])
            panel.fill_between(100 * tokens / whole, low, high, color=colour, alpha=0.15, linewidth=0)
        panel.set(xlabel="training tokens, % of the whole grid's", title=title, xlim=(0, 100))
        panel.spines[["top", "right"]].set_visible(False)
    axes[0].axhline(SHARE, color="black", linewidth=0.8, linestyle=":")
    axes[0].legend(frameon=False, loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, metadata={"Software": None})
