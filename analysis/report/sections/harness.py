"""The section with general abilities, measured by lm-eval (`evaluation.harness`)."""

from collections.abc import Mapping
from typing import Any

from analysis.report.data import tables
from analysis.report.sections.blocks import Cell, Grid, Section, words
from analysis.report.sections.tables import named
from analysis.report.sections.view import View


def harness(view: View) -> Section:
    """Return the section with the scores of all tasks, and their differences to vanilla."""
    title = "General abilities"
    rows = tables.harness_scores(view.frame, view.shown).to_pylist()
    if not rows:
        return Section("harness", title, missing="No trial was measured with lm-eval (evaluation.harness).")
    names = list(dict.fromkeys(row["score"] for row in rows))
    by_trial: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        by_trial.setdefault(row["trial_id"], {})[row["score"]] = row
    cells = [
        [
            named(next(iter(scores.values())), view),
            *(cell for name in names for cell in _score(scores.get(name))),
        ]
        for scores in by_trial.values()
    ]
    head = ["configuration", *(part for name in names for part in (words(name), "Δ vanilla"))]
    text = [
        "Scores of lm-eval's tasks, each in its task's own unit, with 95 % intervals; n counts examples. Δ "
        "is the difference to vanilla.",
        view.some(),
    ]
    grid = Grid(title, head, cells, frozenset(range(1, len(head))))
    return Section("harness", title, [line for line in text if line], (), [grid])


def _score(row: Mapping[str, Any] | None) -> tuple[Cell, Cell]:
    if row is None:
        return Cell("–"), Cell("–")
    interval = "" if row["low"] is None else f" [{row['low']:.3f}, {row['high']:.3f}]"
    value = Cell(f"{row['value']:.3f}{interval}", "" if row["n"] is None else f"n {row['n']:.0f}")
    if row["change"] is None or row["role"] == "vanilla":
        return value, Cell("–")
    return value, Cell(f"{row['change']:+.3f}".replace("-", "−"))
