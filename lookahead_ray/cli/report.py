"""What a sweep prints at its end: the trials' figures, the recommendation, and where everything is."""

import math
import shlex
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from lookahead_ray.cli.text import decimal, duration, first_line, p_value, percent, shorten
from lookahead_ray.evaluate.rates import headline
from lookahead_ray.sweep.recommendation import Comparison, Recommendation
from lookahead_ray.text import clean
from lookahead_ray.trial.label import label as label_of
from lookahead_ray.trial.record import Metric, Rate, TrialRecord

WIDE = 130  # columns from which on one table holds everything; below, the comparison gets a table of its own
LONGEST_LABEL = 40  # characters in tables
METRICS: dict[Metric, str] = {
    "rsr": "RSR",
    "jsr": "JSR",
    "over_refusal": "over-refusal",
    "utility": "utility",
}
CONFIG_PARTS = ("preview", "method", "training")
Cells = Callable[[TrialRecord], list[str]]
ORDER = {"seed": 0, "vanilla": 1, "search": 2, "repeat": 3, "evaluate": 4}


def print_trials(
    console: Console, records: Sequence[TrialRecord], recommendation: Recommendation | None
) -> None:
    """The table of all trials: references first, then by objective; and what went wrong."""
    chosen = recommendation.trial_id if recommendation else None
    compared = {c.trial_id: c for c in recommendation.comparisons} if recommendation else {}
    scored = [record for record in records if record.objective is not None]
    heads = ["objective", "difference\nto vanilla", "p of\nRSR"] if compared else ["objective"]
    more = [Column(head, justify="right") for head in heads]

    def cells(record: TrialRecord) -> list[str]:
        return [decimal(record.objective), *_difference(compared.get(record.trial_id))][: len(heads)]

    if not scored:
        console.print(_rates(records, [], lambda record: [], chosen))
    elif console.width >= WIDE:
        console.print(_rates(records, more, cells, chosen))
    else:
        console.print(_rates(records, [], lambda record: [], chosen))
        table = figures_table(*more)
        for record in ordered(scored):
            table.add_row(trial_name(record, chosen), *cells(record))
        console.print(Text(), table)
    console.print()
    for line in _notes(records, recommendation):
        console.print(Text(line, style="dim"))
    failed = [record for record in records if record.status == "failed"]
    if failed:
        console.print(Text(f"\n{len(failed)} of {len(records)} trials failed:", style="bold red"))
    for record in failed:
        error = shorten(first_line(record.error or "no error text"), 300)
        console.print(Text(f"  {_label(record)}: {error}", style="red"))


def print_recommendation(
    console: Console, records: Sequence[TrialRecord], recommendation: Recommendation
) -> None:
    """What to train and why, or that nothing is recommended."""
    by_id = {record.trial_id: record for record in records}
    chosen = by_id.get(recommendation.trial_id or "")
    head = f"Recommended: {_label(chosen)}" if chosen else "No configuration is recommended"
    console.print()
    console.print(Text(head, style="bold green" if chosen else "bold yellow"))
    console.print(Text(clean(recommendation.sentence)))
    alike = [_label(by_id[i]) for i in recommendation.indistinguishable if i in by_id]
    if alike:
        console.print(Text("Not distinguishable from it by these data: " + "; ".join(alike)))
    if chosen:
        console.print()
        # soft wrap: a broken line would be no YAML any more
        console.print(Text(config_yaml(chosen)), soft_wrap=True, highlight=False)


def print_places(
    console: Console, run: str, picture: Path | None, seconds: float | None, log: str = ""
) -> None:
    """Where tables, picture and log are, and how to look further."""
    places = [("tables", run), ("picture", str(picture or "")), ("log", log)]
    places.append(("look", f"lookahead-ray tables {shlex.quote(run)}"))
    places.append(("export", export_command(run)))
    if seconds is not None:
        places.append(("time", duration(seconds)))
    console.print()
    for name, value in places:
        if value:
            console.print(Text(f"{name:<8} {clean(value)}"), soft_wrap=True, highlight=False)


def export_command(run: str) -> str:
    """The command that exports a run's tables."""
    return shlex.join(["lookahead-ray", "tables", run, "--format", "csv"])


def config_yaml(record: TrialRecord) -> str:
    """The lines of a tuning space that train this trial's configuration."""
    parts = {part: record.config[part] for part in CONFIG_PARTS if part in record.config}
    text = yaml.safe_dump(parts, sort_keys=False, allow_unicode=True, width=10_000)
    lines = text.rstrip("\n").split("\n")
    if any(clean(line) != " ".join(line.split()) for line in lines):
        lines = yaml.safe_dump(parts, sort_keys=False, width=10_000).rstrip("\n").split("\n")
    return "\n".join(lines)


def ordered(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Seed, vanilla, then searched trials by objective, best first; failed ones at the end of their kind."""

    def key(record: TrialRecord) -> tuple[int, bool, float]:
        unscored = record.objective is None
        return ORDER[record.role], unscored, -(record.objective or 0.0)

    return sorted(records, key=key)


def _rates(records: Sequence[TrialRecord], more: Sequence[Column], cells: Cells, chosen: str | None) -> Table:
    """The metrics' columns, and whatever `more` columns `cells` fills for a record."""
    metrics = [metric for metric in METRICS if any(_rate(record, metric) for record in records)]
    table = figures_table(
        *(Column(f"{METRICS[m]}\n{_n(records, m)}", justify="right") for m in metrics), *more
    )
    for record in ordered(records):
        rates = [_interval(_rate(record, metric)) for metric in metrics]
        table.add_row(trial_name(record, chosen), *rates, *cells(record))
    return table


def figures_table(*columns: Column) -> Table:
    """A table whose first column is the trial's name."""
    for column in columns:
        column.no_wrap = True
    first = Column("trial", overflow="fold", ratio=1)
    return Table(first, *columns, box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")


def trial_name(record: TrialRecord, chosen: str | None = None) -> Text:
    """What a trial is, in a table's first column; the `chosen` one is marked."""
    name = shorten(_label(record), LONGEST_LABEL)
    if record.status != "completed":
        return Text(f"{name} ({record.status})", style="red" if record.status == "failed" else "dim")
    if record.trial_id == chosen:
        return Text(f"▸ {name}", style="bold green")
    return Text(name)


def _label(record: TrialRecord) -> str:
    return clean(label_of(record.config, record.role, record.params))


def _rate(record: TrialRecord, metric: str) -> Rate | None:
    rate: Rate | None = getattr(record, metric)
    return rate


def _interval(rate: Rate | None) -> str:
    """`63 % [55, 70]`; unparsed answers show as `2?`."""
    if rate is None or math.isnan(rate.value):
        return "–"
    unparsed = f" {rate.unparsed}?" if rate.unparsed else ""
    return f"{percent(rate.value)}{unparsed} [{100 * rate.low:.0f}, {100 * rate.high:.0f}]"


def _difference(comparison: Comparison | None) -> list[str]:
    if comparison is None:
        return ["–", "–"]
    points = (comparison.difference, comparison.low, comparison.high)
    difference, low, high = (decimal(point, places=2, signed=True) for point in points)
    return [f"{difference} [{low}, {high}]", p_value(comparison.rsr_p_value)]


def _n(records: Sequence[TrialRecord], metric: str) -> str:
    sizes = sorted({rate.n for record in records if (rate := _rate(record, metric))})
    return f"n={sizes[0]}" if len(sizes) == 1 else f"n={sizes[0]}–{sizes[-1]}"


def _notes(records: Sequence[TrialRecord], recommendation: Recommendation | None) -> list[str]:
    notes = ["[a, b]: 95 % interval in percent. More is better, but for over-refusal less."]
    if any((rate := _rate(record, m)) and rate.unparsed for record in records for m in METRICS):
        notes.append("k?: k answers without a verdict; they count in n, but not as safe, refused or correct.")
    notes += _chosen_rows(records)
    if recommendation and recommendation.comparisons:
        notes.append(
            "difference to vanilla: of the objective, with a 95 % interval that holds for all candidates "
            "together; p of RSR: exact McNemar test against vanilla on the same prompts, unadjusted."
        )
    return notes


def _chosen_rows(records: Sequence[TrialRecord]) -> list[str]:
    """Which suite, attack and judge the rates are of, where there are several."""
    rows = next((record.generations for record in records if record.generations), ())
    parts = {(row.metric, row.suite, row.attack, row.judge) for row in rows}
    chosen = [headline(rows, metric)[0] for metric in METRICS if any(row.metric == metric for row in rows)]
    if len(parts) == len(chosen):
        return []
    told = [f"{METRICS[row.metric]} {row.suite}, {row.attack}, {row.judge}" for row in chosen]
    return [f"Rates by suite, attack and judge: {'; '.join(told)}. All others: store.rates_by."]
