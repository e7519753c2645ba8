"""Rates of each preview at each share of a recorded grid, averaged over its trainings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.table import Table

from benchmarks.search.answers import Answers
from benchmarks.search.grid import Grid, share_of
from lookahead_ray.evaluate.rates import student
from lookahead_ray.evaluate.results import Metric
from lookahead_ray.trial.label import label
from lookahead_ray.trial.record import TrialRecord

METRICS: tuple[Metric, ...] = ("rsr", "jsr", "utility")
STRATEGIES = ("none", "true", "virtual")


@dataclass(frozen=True, slots=True)
class MeanRate:
    """A rate over the prompts, 0..1, where each prompt's value is the mean over several trainings.

    The 95 % interval covers the prompts, not the noise of training.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """All trainings with one preview, at one share."""

    preview: str  # its label
    strategy: str  # one of STRATEGIES
    share: float
    trainings: int
    rates: Mapping[Metric, MeanRate]


def curve_points(grid: Grid) -> list[CurvePoint]:
    """Return the means, by preview: none, true by length, virtual; shares from the largest.

    The grid must have answers.
    """
    found: dict[tuple[int, int, str, float], list[Answers]] = {}
    for points in grid.trainings.values():
        preview = preview_of(grid, points[0])
        words = label({"preview": preview})
        order = STRATEGIES.index(preview["strategy"]), preview.get("length_tokens", 0), words
        for point in points:
            found.setdefault((*order, -share_of(point)), []).append(grid.answers[point.trial_id])
    return [
        CurvePoint(
            preview=words,
            strategy=STRATEGIES[strategy],
            share=-negative_share,
            trainings=len(answers),
            rates={metric: mean_rate(answers, metric) for metric in METRICS},
        )
        for (strategy, _, words, negative_share), answers in sorted(found.items())
    ]


def preview_of(grid: Grid, record: TrialRecord) -> Mapping[str, Any]:
    """Return the preview of a point of the grid, as JSON values."""
    config = grid.sweep.trial(lambda dimension: record.params[dimension.name])
    return config.preview.model_dump(mode="json")


def mean_rate(answers: Sequence[Answers], metric: Metric) -> MeanRate:
    """Return the mean over trainings and prompts, with Student's interval over the prompts."""
    of_prompts = np.mean([one.credits[metric] for one in answers], axis=0)
    low, high = student(of_prompts.tolist())
    return MeanRate(float(of_prompts.mean()), low, high)


def curve_table(points: Sequence[CurvePoint], grid: Grid) -> Table:
    """Return a table with a row for each point, in percent, and the references first."""
    sizes = ", ".join(f"{metric} {len(grid.prompts[metric])}" for metric in METRICS)
    table = Table(title=f"Means over trainings, % [95 % interval over the prompts]; n: {sizes}")
    for name in ("preview", "share", "trainings", *(metric.upper() for metric in METRICS[:2]), "utility"):
        table.add_column(name)
    for name, record in (("seed model", grid.seed), ("vanilla", grid.vanilla)):
        rates = [mean_rate([grid.answers[record.trial_id]], metric) for metric in METRICS]
        table.add_row(name, "", "", *map(_text, rates))
    for point in points:
        rates = [point.rates[metric] for metric in METRICS]
        table.add_row(point.preview, f"{point.share:g}", str(point.trainings), *map(_text, rates))
    return table


def draw_curves(path: Path, points: Sequence[CurvePoint], grid: Grid) -> None:
    """Draw RSR and JSR over utility: a line for each preview, whose markers are its shares."""
    figure = Figure(figsize=(11, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Sequence[Axes] = figure.subplots(1, 2)
    previews = {point.preview: point.strategy for point in points}
    for panel, metric in zip(axes, METRICS[:2], strict=True):
        for preview, style in zip(previews, _styles([*previews.values()]), strict=True):
            own = [point for point in points if point.preview == preview]
            x = [100 * point.rates["utility"].value for point in own]
            y = [100 * point.rates[metric].value for point in own]
            panel.plot(x, y, label=preview, linewidth=1.5, **style)
            panel.scatter(x, y, s=[60 * point.share for point in own], color=style["color"], zorder=3)
        for name, record in (("seed model", grid.seed), ("vanilla", grid.vanilla)):
            rates = [mean_rate([grid.answers[record.trial_id]], part) for part in ("utility", metric)]
            place = (100 * rates[0].value, 100 * rates[1].value)
            panel.scatter(*place, marker="*", s=120, color="black", zorder=4)
            panel.annotate(name, place, xytext=(6, -14), textcoords="offset points")
        panel.set(xlabel="utility, %", ylabel=f"{metric.upper()}, %")
        panel.spines[["top", "right"]].set_visible(False)
    axes[0].legend(frameon=False, loc="lower left", fontsize=8)
    figure.suptitle("Each preview with its share of the change by training: larger markers, larger shares")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130, metadata={"Software": None})


def _styles(strategies: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield colours: true previews by length from light to dark blue, virtual ones apart."""
    blues = iter(mpl.colormaps["Blues"](np.linspace(0.4, 1, strategies.count("true"))))
    others = iter(("#d1495b", "#e9a23b", "#2a9d8f", "#8a5fbf", "#b8b8b8"))
    for strategy in strategies:
        if strategy == "none":
            yield {"color": "#444444", "linestyle": "--"}
        else:
            yield {"color": next(blues if strategy == "true" else others, "#000000")}


def _text(rate: MeanRate) -> str:
    return f"{100 * rate.value:.0f} [{100 * rate.low:.0f}, {100 * rate.high:.0f}]"
