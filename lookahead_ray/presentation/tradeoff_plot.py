"""The trade-off plot: safety against utility, one point per trial, with a legend."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from lookahead_ray.config.objective import Objective
from lookahead_ray.objective.registry import make_objective
from lookahead_ray.presentation.fonts import Fonts, choose_fonts, drawing_with
from lookahead_ray.presentation.label_placement import MARKER_RADIUS_PT, PointLabel, place_labels
from lookahead_ray.presentation.tradeoff_legend import (
    COLOURS,
    FLOOR_COLOUR,
    MARKERS,
    RING_COLOUR,
    draw_legend,
)
from lookahead_ray.presentation.tradeoff_points import (
    PlotPoint,
    SafetyMetric,
    pareto_front,
    points_of,
    short,
)
from lookahead_ray.sweep.recommend.recommendation import Recommendation
from lookahead_ray.sweep.recommend.seed_average import average_over_seeds
from lookahead_ray.trial.record import Rate, TrialRecord

DPI = 150
LEAST_SPAN = 20.0  # minimum range of an axis in percent points, so that noise doesn't look like a trade-off
AXES: dict[SafetyMetric, str] = {
    "safety": "safety: the objective's\nmean of rates",
    "rsr": "RSR: harmful requests\nanswered safely",
    "jsr": "JSR: answered safely\nafter a harmful opening",
}
UTILITIES = {
    "exact_match": "utility: task items answered correctly",
    "rouge1": "utility: mean ROUGE-1 of the task's answers",
    "answer_loss": "utility: likelihood per token of the task's answers",
}
MODELS = {  # names of the packaged models in a configuration -> names in the plot
    "embedded": "SmolLM2-135M-Instruct (aligned)",
    "embedded-unaligned": "SmolLM2-135M-Instruct",
}


def draw_tradeoff(
    records: Sequence[TrialRecord],
    recommendation: Recommendation | None,
    path: Path,
    objective: Objective | None = None,
) -> list[str]:
    """Write a PNG of RSR, and below it JSR, against utility, each with its 95 % interval.

    The objective decides whether the first panel is safety as it defines it, unless that is RSR alone, and
    whether a line shows a minimum of safety. Returned is a line for the user if no installed font shows a
    phrase.
    """
    averaged = [one.record for one in average_over_seeds(records)]
    texts = [point.text for point in points_of(averaged, "rsr")]
    fonts = choose_fonts([*texts, _title(averaged)])
    with drawing_with(fonts):
        _draw(records, recommendation, path, objective, fonts)
    note = fonts.note(texts)
    return [f"picture: {note}"] if note else []


def _draw(
    records: Sequence[TrialRecord],
    recommendation: Recommendation | None,
    path: Path,
    objective: Objective | None,
    fonts: Fonts,
) -> None:
    failed = sum(record.status == "failed" for record in records)
    records = [one.record for one in average_over_seeds(records)]
    panels: list[SafetyMetric] = ["rsr"]
    if objective and make_objective(objective).plots_safety and not _is_rsr_alone(records):
        panels.insert(0, "safety")
    if points_of(records, "jsr"):
        panels.append("jsr")
    figure = Figure(figsize=(9.6, 4.2 + 2.8 * (len(panels) - 1)), dpi=DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = list(figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0])
    norm, colours = _length_colours(records)
    chosen = recommendation.trial_id if recommendation else None
    for ax, metric in zip(axes, panels, strict=True):
        _panel(ax, points_of(records, metric), metric, chosen, norm, colours)
    # the panels share this axis, and one of them may lack a rate of some trials
    axes[0].set_xlim(*_limits([point.x for metric in panels for point in points_of(records, metric)]))
    floor = _floor(records, objective)
    if floor is not None:
        axes[0].axhline(100 * floor, color=FLOOR_COLOUR, linewidth=1.1, linestyle="--", zorder=1)
        shown = [point.y for point in points_of(records, panels[0])]
        axes[0].set_ylim(*_limits([*shown, Rate(floor, floor, floor, 0, 0)] if shown else []))
    axes[-1].set_xlabel(UTILITIES[_task_metric(records)])
    axes[0].set_title(_title(records), loc="left", fontsize=11, pad=20, parse_math=False)
    axes[0].annotate(
        _subtitle(records, failed),
        (0, 1),
        (0, 8),
        "axes fraction",
        "offset points",
        fontsize=8.5,
        color="0.35",
    )
    draw_legend(figure, axes, points_of(records, "rsr"), chosen, norm, colours, has_floor=floor is not None)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # labels are placed in pixels, so the layout must not change now
    renderer: RendererBase = canvas.get_renderer()  # type: ignore[no-untyped-call]
    for ax, metric in zip(axes, panels, strict=True):
        place_labels(ax, renderer, _labels(points_of(records, metric), chosen, fonts))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=DPI)


def _is_rsr_alone(records: Sequence[TrialRecord]) -> bool:
    """Return whether the trials' safety is their RSR, so that a panel of its own would show RSR twice."""
    both = [(r.safety, r.rsr.value) for r in records if r.safety is not None and r.rsr]
    return bool(both) and all(math.isclose(safety, rsr, abs_tol=1e-9) for safety, rsr in both)


def _length_colours(records: Sequence[TrialRecord]) -> tuple[Normalize, Colormap]:
    """Return a logarithmic scale, as lengths matter by ratio, and viridis without its palest colours.

    Those are invisible on white paper. A single length has the legend's colour.
    """
    lengths = [p.length_tokens for p in points_of(records, "rsr") if p.length_tokens] or [1]
    if len(set(lengths)) == 1:
        return Normalize(0, 1), ListedColormap([COLOURS["true"]])
    colours = ListedColormap(colormaps["viridis"].resampled(256)(range(226)))
    return LogNorm(min(lengths), max(lengths)), colours


def _panel(
    ax: Axes,
    points: Sequence[PlotPoint],
    metric: SafetyMetric,
    chosen: str | None,
    norm: Normalize,
    colours: Colormap,
) -> None:
    front = pareto_front(points)
    xs, ys = [100 * p.x.value for p in front], [100 * p.y.value for p in front]
    ax.plot(xs, ys, drawstyle="steps-pre", color="0.4", linewidth=0.9, zorder=1)
    for point in points:
        x, y = 100 * point.x.value, 100 * point.y.value
        colour = colours(norm(point.length_tokens)) if point.length_tokens else COLOURS[point.kind]
        ax.errorbar(
            x, y, xerr=_arms(point.x), yerr=_arms(point.y), color=colour, alpha=0.35, linewidth=0.8, zorder=2
        )
        size = 62 if point.kind in ("seed", "vanilla") else 44
        ax.scatter(
            x, y, size, [colour], marker=MARKERS[point.kind], edgecolors="white", linewidths=0.6, zorder=4
        )
        if point.trial_id == chosen:
            ax.scatter(
                x, y, 210, marker="o", facecolors="none", edgecolors=RING_COLOUR, linewidths=1.8, zorder=3
            )
    if not points:
        ax.text(0.5, 0.5, "no trial with both rates", transform=ax.transAxes, ha="center", color="0.4")
    ax.set_ylabel(AXES[metric])
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(decimals=0))
        axis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True))
    ax.set_ylim(*_limits([p.y for p in points]))
    ax.grid(color="0.92", linewidth=0.7)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def _arms(rate: Rate) -> list[list[float]]:
    """Return the lengths of an error bar's two arms in percent points; matplotlib refuses negative ones."""
    return [[max(100 * (rate.value - rate.low), 0.0)], [max(100 * (rate.high - rate.value), 0.0)]]


def _limits(rates: Sequence[Rate]) -> tuple[float, float]:
    low = min((100 * rate.low for rate in rates), default=0.0)
    high = max((100 * rate.high for rate in rates), default=100.0)
    margin = max(0.06 * (high - low), (LEAST_SPAN - (high - low)) / 2)
    return max(low - margin, -4.0), min(high + margin, 104.0)


def _labels(points: Sequence[PlotPoint], chosen: str | None, fonts: Fonts) -> list[PointLabel]:
    labels = []
    counts = Counter(point.text for point in points)
    for point in points:
        text = point.text if fonts.can_show(point.text) else point.trial_id
        if counts[point.text] > 1 and text != point.trial_id:  # they differ in other dimensions
            text = f"{text} ({point.trial_id})"
        picked = point.trial_id == chosen
        must = picked or point.kind in ("seed", "vanilla")
        radius_pt = 9.0 if picked else MARKER_RADIUS_PT
        labels.append(PointLabel(100 * point.x.value, 100 * point.y.value, text, must, picked, radius_pt))
    return labels


def _title(records: Sequence[TrialRecord]) -> str:
    config = records[0].config if records else {}
    path = str(config.get("model", {}).get("path", "?"))
    model = MODELS.get(path) or short(path.rstrip("/").rsplit("/", 1)[-1])[1:-1]
    task = str(config.get("task", {}).get("name", "?")).replace("_", " ")
    return f"{model} fine-tuned on {task}"


def _task_metric(records: Sequence[TrialRecord]) -> str:
    """Return which of `UTILITIES` was measured, from the judge of the first task answer."""
    rows = (row for record in records for row in record.generations if row.metric == "utility")
    judge = next((row.judge for row in rows), "")
    return judge if judge in UTILITIES else "exact_match"


def _floor(records: Sequence[TrialRecord], objective: Objective | None) -> float | None:
    """Return the objective's minimum safety as a rate; None if there is none."""
    if objective is None:
        return None
    seed_safety = next((record.safety for record in records if record.role == "seed"), None)
    floor = make_objective(objective).minimum_safety(seed_safety)
    return floor if floor is not None and math.isfinite(floor) else None


def _subtitle(records: Sequence[TrialRecord], failed: int) -> str:
    whole = [record for record in records if record.status != "partial"]
    sizes = [
        f"{_n([r.rsr for r in whole])} harmful requests",
        f"{_n([r.utility for r in whole])} task items",
    ]
    left_out = [f"{failed} failed"] if failed else []
    if partial := len(records) - len(whole):
        left_out.append(f"{partial} measured in part")
    note = f"; not shown: {', '.join(left_out)}" if left_out else ""
    return f"n = {', '.join(sizes)}; bars: 95 % intervals{note}"


def _n(rates: Sequence[Rate | None]) -> str:
    sizes = sorted({rate.n for rate in rates if rate})
    if not sizes:
        return "0"
    return str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]}–{sizes[-1]}"
