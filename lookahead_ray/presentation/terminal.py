"""The report that a sweep prints at its end.

It contains the trials' figures and how to read them, the recommendation, and the paths of all results.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Column
from rich.text import Text

from lookahead_ray.config.yaml_io import write_yaml
from lookahead_ray.presentation.format import decimal, duration, first_line, p_value, shorten
from lookahead_ray.presentation.judge_calls import unjudged_line
from lookahead_ray.presentation.table_notes import table_notes
from lookahead_ray.presentation.trials_table import (
    new_table,
    print_table,
    rates_table,
    sort_trials,
    trial_cells,
    trial_label,
)
from lookahead_ray.sanitize import clean
from lookahead_ray.stats.interval import Interval
from lookahead_ray.sweep.recommend.recommendation import Comparison, Recommendation
from lookahead_ray.sweep.recommend.recommended_yaml import train_command
from lookahead_ray.trial.record import TrialRecord
from lookahead_ray.trial.trainings import count_trainings

WIDE = 130
"""Characters from which on one table holds everything; below, the comparison is a separate table."""

CONFIG_PARTS = ("preview", "method", "merge", "training")


def print_trials(
    console: Console, records: Sequence[TrialRecord], recommendation: Recommendation | None
) -> None:
    """Print the table of all configurations, references first, then by objective; and the failures."""
    chosen = recommendation.trial_id if recommendation else None
    compared = {c.trial_id: c for c in recommendation.comparisons} if recommendation else {}
    shown = sort_trials(records)
    titles = ["objective"]
    if recommendation and compared:
        titles = [recommendation.columns.first, recommendation.columns.difference, "p of\nRSR"]
    shows_safety = bool(recommendation and compared and recommendation.columns.first_is_safety)
    more = [Column(title, justify="right") for title in titles]

    def fill(record: TrialRecord) -> list[str]:
        comparison = compared.get(record.trial_id)
        safety = comparison.safety if comparison else None
        first = _interval_text(safety) if shows_safety else decimal(record.objective)
        return [first, *_difference_cells(comparison)] if compared else [first]

    scored = [one for one in shown if one.record.objective is not None or one.record.trial_id in compared]
    if scored and console.width >= WIDE:
        print_table(console, rates_table(shown, more, fill, chosen))
    else:
        print_table(console, rates_table(shown, [], lambda record: [], chosen))
    if scored and console.width < WIDE:
        table, cells = new_table(*more), trial_cells(shown, chosen)
        for one in scored:
            table.add_row(cells[one.record.trial_id], *fill(one.record))
        console.print()
        print_table(console, table)
    console.print()
    for line in table_notes(shown, recommendation):
        console.print(Text(line, style="dim"))
    if waiting := unjudged_line(records):
        console.print(Text(f"\n{clean(waiting)}", style="yellow"))
    failed = [record for record in records if record.status == "failed"]
    if failed:
        console.print(Text(f"\n{len(failed)} of {count_trainings(records)} trials failed:", style="bold red"))
    for record in failed:
        error = shorten(first_line(record.error or "no error text"), 300)
        console.print(Text(f"  {trial_label(record)}: {error}", style="red"))


def print_recommendation(
    console: Console, records: Sequence[TrialRecord], recommendation: Recommendation
) -> None:
    """Print the recommended configuration and the reasons, or that nothing is recommended."""
    by_id = {record.trial_id: record for record in records}
    chosen = by_id.get(recommendation.trial_id or "")
    head = f"Recommended: {trial_label(chosen)}" if chosen else "No configuration is recommended"
    console.print()
    console.print(Text(head, style="bold green" if chosen else "bold yellow"))
    console.print(Text(clean(recommendation.sentence)))
    front = [trial_label(by_id[i]) for i in recommendation.front if i in by_id]
    if front:
        console.print(Text("On the Pareto front: " + "; ".join(front)))
    alike = [trial_label(by_id[i]) for i in recommendation.indistinguishable if i in by_id]
    if alike:
        measure = recommendation.columns.ranked_by
        text = f"Indistinguishable from it in {measure} (the table has their other rates): "
        console.print(Text(text + "; ".join(alike)))
    if chosen:
        console.print()
        # soft wrap, because a broken line would not be valid YAML
        console.print(Text(config_yaml(chosen)), soft_wrap=True, highlight=False)


def print_places(
    console: Console,
    run: str,
    picture: Path | None,
    seconds: float | None,
    log: str = "",
    recommended: Path | None = None,
) -> None:
    """Print the paths of tables, picture, log and recommended configuration, and further commands."""
    places = [("tables", run), ("picture", str(picture or "")), ("log", log)]
    if recommended:
        places += [("config", str(recommended)), ("train", train_command(recommended))]
    places.append(("look", f"lookahead-ray tables {shlex.quote(run)}"))
    places.append(("export", export_command(run)))
    if seconds is not None:
        places.append(("time", duration(seconds)))
    console.print()
    for name, value in places:
        if value:
            console.print(Text(f"{name:<8} {clean(value)}"), soft_wrap=True, highlight=False)


def export_command(run: str) -> str:
    """Return the command that exports a run's tables."""
    return shlex.join(["lookahead-ray", "tables", run, "--format", "csv"])


def config_yaml(record: TrialRecord) -> str:
    """Return the lines of a tuning space that train this trial's configuration."""
    return write_yaml({part: record.config[part] for part in CONFIG_PARTS if part in record.config}).rstrip(
        "\n"
    )


def _difference_cells(comparison: Comparison | None) -> list[str]:
    if comparison is None:
        return ["–", "–"]
    interval = Interval(comparison.difference, comparison.low, comparison.high)
    return [_interval_text(interval), p_value(comparison.rsr_p_value)]


def _interval_text(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    points = (interval.value, interval.low, interval.high)
    difference, low, high = (decimal(point, places=2, signed=True) for point in points)
    return f"{difference} [{low}, {high}]"
