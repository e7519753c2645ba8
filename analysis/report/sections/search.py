"""Sections on the search: cost, parallel coordinates, importance, history."""

import pyarrow as pa
import pyarrow.compute as pc

from analysis.report.data.coordinates import coordinates as data_coordinates
from analysis.report.data.history import hypervolume_history, objective_history
from analysis.report.data.importance import LEAST_TRIALS, importances
from analysis.report.figures.planes import MOST_BARS, utility_flops
from analysis.report.figures.search import (
    TARGETS,
    hypervolume_line,
    importance_bars,
    objective_lines,
    parallel,
)
from analysis.report.sections.blocks import Drawing, Section, number, numbers_of, share, words
from analysis.report.sections.view import View

MOST_STRANDS = 300
MOST_DOTS = 1000


def flops(view: View) -> Section:
    """Return the section with utility against training FLOPs."""
    title = "Utility against training FLOPs"
    points, note = view.points([])
    points = points.filter(
        pc.and_(pc.is_valid(points["utility"]), pc.greater(pc.fill_null(points["flops"], 0.0), 0.0))
    )
    if not len(points):
        return Section("flops", title, missing="No completed trial has both utility and counted FLOPs.")
    bars = "bars are 95 % intervals"
    if len(points) > MOST_BARS:
        bars = "the bar at the recommended trial is its 95 % interval"
    drawing = Drawing(
        "flops",
        title,
        utility_flops(points, view.advice.trial_id),
        f"FLOPs counted in training, the seed model's preparation included; {bars}. {note}".rstrip(),
        numbers_of(
            points, {"label": ("trial", words), "flops": ("FLOPs", number), "utility": ("utility, %", share)}
        ),
    )
    return Section("flops", title, (), [drawing])


def coordinates(view: View) -> Section:
    """Return the section with parallel coordinates."""
    title = "The search in parallel coordinates"
    axes, lines = data_coordinates(view.frame, MOST_STRANDS)
    if len(lines) < 2 or len(axes) < 2:
        return Section("coordinates", title, missing="Fewer than two trials were scored, or nothing varied.")
    scored = view.frame["merit"].null_count
    note = (
        f" {len(lines)} trials evenly spread over the ranking are drawn."
        if len(lines) == MOST_STRANDS
        else ""
    )
    drawing = Drawing(
        "coordinates",
        title,
        parallel(axes, lines),
        "One line per trial and one shade per fifth of the trials; the best fifth is the darkest. A line "
        f"skips dimensions that its trial does not have.{note}"
        + (" Trials without an objective are not drawn." if scored else ""),
        numbers_of(
            lines.sort_by([("merit", "descending")]),
            {"label": ("trial", words), "merit": ("objective", number)},
        ),
        least_width=110 * len(axes),
    )
    return Section("coordinates", title, (), [drawing])


def importance(view: View) -> Section:
    """Return the section with parameter importance."""
    title = "Which dimension matters"
    table = importances(view.frame)
    if not len(table):
        missing = f"Importance needs at least {LEAST_TRIALS} scored trainings and a dimension that varies."
        return Section("importance", title, missing=missing)
    drawing = Drawing(
        "importance",
        "Parameter importance",
        importance_bars(table),
        "Optuna's PED-ANOVA: how much the values of the best tenth of the trials differ from those of all "
        "trials, as shares of each measure's sum. A training that was measured at several shares of its "
        "merge counts once, with its best point; the share is none of the dimensions then. With few "
        "trials, differences are mostly chance.",
        numbers_of(
            table,
            {
                "parameter": ("parameter", words),
                "target": ("for", lambda name: TARGETS[name][0]),
                "importance": ("%", share),
                "trials": ("trials", number),
            },
        ),
    )
    return Section("importance", title, (), [drawing])


def history(view: View) -> Section:
    """Return the section with the objective and the hypervolume by trial."""
    drawings = []
    objective, note = _thinned(objective_history(view.frame))
    if len(objective):
        drawings.append(
            Drawing(
                "history-objective",
                "Objective",
                objective_lines(objective),
                "The objective; for several objectives the product of their positive parts." + note,
                numbers_of(
                    objective,
                    {
                        "number": ("trial", number),
                        "label": ("configuration", words),
                        "merit": ("objective", number),
                        "best": ("best", number),
                    },
                ),
            )
        )
    volume, _ = _thinned(hypervolume_history(view.frame))
    if len(volume):
        drawings.append(
            Drawing(
                "history-hypervolume",
                "Hypervolume",
                hypervolume_line(volume),
                "The area above (0, 0) that the trials so far dominate, in the plane of the kept share of "
                "the seed model's safety and the reached share of vanilla's gain in utility.",
                numbers_of(volume, {"number": ("trial", number), "hypervolume": ("hypervolume", number)}),
            )
        )
    missing = "" if drawings else "No trial of the search was scored."
    return Section("history", "History of the search", (), drawings, (), missing)


def _thinned(history: pa.Table) -> tuple[pa.Table, str]:
    """Return every n-th row and the last, with a note on it; all rows of a short table."""
    step = -(-len(history) // MOST_DOTS)
    if step <= 1:
        return history, ""
    places = sorted({*range(0, len(history), step), len(history) - 1})
    return history.take(pa.array(places)), f" Of {len(history):,} trials one in {step} is drawn."
