"""The report that a sweep prints at its end.

It contains the trials' figures and how to read them, why previews work (how far training moved the first
answer tokens, and its cost), the recommendation, and the paths of all results.
"""

import math
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from lookahead_ray.config.trial import Resources
from lookahead_ray.config.yaml_io import write
from lookahead_ray.evaluate.rates import headline
from lookahead_ray.objective.base import standing
from lookahead_ray.presentation.format import decimal, duration, first_line, p_value, percent, shorten
from lookahead_ray.sanitize import clean
from lookahead_ray.stats.interval import Interval
from lookahead_ray.sweep.recommend.recommendation import Comparison, Recommendation
from lookahead_ray.sweep.recommend.recommended_yaml import train_command
from lookahead_ray.sweep.recommend.seed_average import Pooled, average_over_seeds
from lookahead_ray.trial.label import label as label_of
from lookahead_ray.trial.record import Metric, Rate, TrialRecord

WIDE = 130  # columns from which on one table holds everything; below, the comparison is a separate table
LONGEST_LABEL = 40  # characters in tables
CONFIG_PARTS = ("preview", "method", "training")
HEADS = {
    "weighted": ["objective", "difference\nto vanilla", "p of\nRSR"],
    "floor": ["safety over\nthe floor", "gain kept:\nto vanilla", "p of\nRSR"],
    "pareto": ["safety kept:\nto vanilla", "gain kept:\nto vanilla", "p of\nRSR"],
}
"""Titles of the columns next to the rates, by the kind of objective."""
Cells = Callable[[TrialRecord], list[str]]
ORDER = {"seed": 0, "vanilla": 1, "search": 2, "repeat": 3, "evaluate": 4}

MOST_POSITIONS = 8
"""Maximum number of answer positions in a printed table; the stored tables contain all of them."""

METRICS: dict[Metric, str] = {
    "rsr": "RSR",
    "jsr": "JSR",
    "over_refusal": "over-refusal",
    "utility": "utility",
}
MEANINGS = {
    "weighted": "difference to vanilla: of the objective",
    "floor": "safety over the floor, and the difference to vanilla in the share kept of vanilla's gain",
    "pareto": "differences to vanilla in the shares kept of the seed's safety and of vanilla's gain",
}
PAIRED_TESTS = "exact McNemar test for one seed, else bootstrap over prompts and seeds,"


def print_trials(
    console: Console, records: Sequence[TrialRecord], recommendation: Recommendation | None
) -> None:
    """Print the table of all configurations, references first, then by objective; and the failures."""
    chosen = recommendation.trial_id if recommendation else None
    compared = {c.trial_id: c for c in recommendation.comparisons} if recommendation else {}
    shown = ordered(records)
    heads = HEADS[recommendation.kind] if recommendation and compared else ["objective"]
    more = [Column(head, justify="right") for head in heads]

    def cells(record: TrialRecord) -> list[str]:
        comparison = compared.get(record.trial_id)
        first = decimal(record.objective)
        if heads != HEADS["weighted"] and compared:
            first = _figures(comparison.safety if comparison else None)
        return [first, *_difference(comparison)][: len(heads)]

    scored = [one for one in shown if one.record.objective is not None or one.record.trial_id in compared]
    if not scored:
        console.print(_rates(shown, [], lambda record: [], chosen))
    elif console.width >= WIDE:
        console.print(_rates(shown, more, cells, chosen))
    else:
        console.print(_rates(shown, [], lambda record: [], chosen))
        table = figures_table(*more)
        for one in scored:
            table.add_row(trial_name(one, chosen), *cells(one.record))
        console.print(Text(), table)
    console.print()
    for line in notes_on(shown, recommendation):
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
    """Print the recommended configuration and the reasons, or that nothing is recommended."""
    by_id = {record.trial_id: record for record in records}
    chosen = by_id.get(recommendation.trial_id or "")
    head = f"Recommended: {_label(chosen)}" if chosen else "No configuration is recommended"
    console.print()
    console.print(Text(head, style="bold green" if chosen else "bold yellow"))
    console.print(Text(clean(recommendation.sentence)))
    front = [_label(by_id[i]) for i in recommendation.front if i in by_id]
    if front:
        console.print(Text("On the Pareto front: " + "; ".join(front)))
    alike = [_label(by_id[i]) for i in recommendation.indistinguishable if i in by_id]
    if alike:
        console.print(Text("Not distinguishable from it by these data: " + "; ".join(alike)))
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
    return write({part: record.config[part] for part in CONFIG_PARTS if part in record.config}).rstrip("\n")


def ordered(records: Iterable[TrialRecord]) -> list[Pooled]:
    """Return seed model, vanilla, then configurations, best first; failed ones at the end of their kind."""
    return sorted(
        average_over_seeds(list(records)), key=lambda one: (ORDER[one.record.role], *standing(one.record))
    )


def _rates(shown: Sequence[Pooled], more: Sequence[Column], cells: Cells, chosen: str | None) -> Table:
    """Return a table with the metrics' columns, and the `more` columns, which `cells` fills for a record."""
    records = [one.record for one in shown]
    metrics = [metric for metric in METRICS if any(rate_of(record, metric) for record in records)]
    table = figures_table(
        *(Column(f"{METRICS[m]}\n{_n(records, m)}", justify="right") for m in metrics), *more
    )
    for one in shown:
        rates = [interval(rate_of(one.record, metric)) for metric in metrics]
        table.add_row(trial_name(one, chosen), *rates, *cells(one.record))
    return table


def figures_table(*columns: Column) -> Table:
    """Return a table whose first column is the trial's name."""
    for column in columns:
        column.no_wrap = True
    first = Column("trial", overflow="fold", ratio=1)
    return Table(first, *columns, box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")


def trial_name(one: Pooled, chosen: str | None = None) -> Text:
    """Return a configuration's name for a table's first column; the `chosen` one is marked."""
    record = one.record
    name = shorten(_label(record), LONGEST_LABEL) + (f" ({one.seeds} seeds)" if one.seeds > 1 else "")
    if record.status != "completed":
        return Text(f"{name} ({record.status})", style="red" if record.status == "failed" else "dim")
    if record.trial_id == chosen:
        return Text(f"▸ {name}", style="bold green")
    return Text(name)


def _label(record: TrialRecord) -> str:
    return clean(label_of(record.config, record.role, record.params))


def interval(rate: Rate | None) -> str:
    """Return a rate as `63 % [55, 70]`; unparsed answers are shown as `2?`."""
    if rate is None or math.isnan(rate.value):
        return "–"
    unparsed = f" {rate.unparsed}?" if rate.unparsed else ""
    return f"{percent(rate.value)}{unparsed} [{100 * rate.low:.0f}, {100 * rate.high:.0f}]"


def _difference(comparison: Comparison | None) -> list[str]:
    if comparison is None:
        return ["–", "–"]
    interval = Interval(comparison.difference, comparison.low, comparison.high)
    return [_figures(interval), p_value(comparison.rsr_p_value)]


def _figures(interval: Interval | None) -> str:
    if interval is None:
        return "–"
    points = (interval.value, interval.low, interval.high)
    difference, low, high = (decimal(point, places=2, signed=True) for point in points)
    return f"{difference} [{low}, {high}]"


def _n(records: Sequence[TrialRecord], metric: str) -> str:
    sizes = sorted({rate.n for record in records if (rate := rate_of(record, metric))})
    return f"n={sizes[0]}" if len(sizes) == 1 else f"n={sizes[0]}–{sizes[-1]}"


def print_mechanism(console: Console, records: Sequence[TrialRecord]) -> None:
    """Print early-token KL of the trained models, and their FLOPs over vanilla's; nothing without KL."""
    trained = [one for one in ordered(records) if one.record.kl and one.record.role != "seed"]
    positions = min(max((len(one.record.kl) for one in trained), default=0), MOST_POSITIONS)
    if not positions:
        return
    heads = ["KL at\n1", *(f"\n{position}" for position in range(2, positions + 1)), "FLOPs"]
    table = figures_table(*(Column(head, justify="right") for head in heads))
    vanilla = next((one.record.flops for one in trained if one.record.role == "vanilla"), None)
    for one in trained:
        record = one.record
        values = [decimal(value, places=2) for value in record.kl[:positions]]
        values += ["–"] * (positions - len(values))
        table.add_row(trial_name(one), *values, _overhead(record.flops, vanilla))
    console.print()
    console.print(table)
    requests = len({(row.suite, row.prompt_id) for row in trained[0].record.token_kl})
    for line in (
        f"KL at k: KL(fine-tuned || seed) of answer token k in nats, mean over {requests} harmful requests.",
        "FLOPs: of training, and of what a method has the seed model do before; multiples of vanilla's.",
    ):
        console.print(Text(line, style="dim"))


def _overhead(flops: float | None, vanilla: float | None) -> str:
    return f"{flops / vanilla:.2f}×" if flops and vanilla else "–"


def notes_on(shown: Sequence[Pooled], recommendation: Recommendation | None) -> list[str]:
    """Return the explanatory lines, only those that the table needs."""
    records = [one.record for one in shown]
    notes = ["[a, b]: 95 % interval in percent. More is better, but for over-refusal less."]
    if any((rate := rate_of(record, m)) and rate.unparsed for record in records for m in METRICS):
        notes.append("k?: k answers without a verdict; they count in n, but not as safe, refused or correct.")
    if any(one.seeds > 1 for one in shown):
        notes.append("k seeds: means over so many trainings; intervals cover prompts and seeds.")
    notes += _chosen_rows(records)
    notes += [f"Run on {'; '.join(words)}." for words in [hardware_of(records)] if words]
    if recommendation and recommendation.comparisons:
        notes.append(
            f"{MEANINGS[recommendation.kind]}, with 95 % intervals that hold for all candidates together."
        )
        test = "exact McNemar test" if all(one.seeds == 1 for one in shown) else PAIRED_TESTS
        notes.append(f"p of RSR: {test} against vanilla on the same prompts, unadjusted.")
    return notes


def _chosen_rows(records: Sequence[TrialRecord]) -> list[str]:
    """Return a line on the suite, attack and judge of the rates; no line if there is only one of each."""
    rows = next((record.generations for record in records if record.generations), ())
    parts = {(row.metric, row.suite, row.attack, row.judge) for row in rows}
    chosen = [headline(rows, metric)[0] for metric in METRICS if any(row.metric == metric for row in rows)]
    if len(parts) == len(chosen):
        return []
    told = [f"{METRICS[row.metric]} {row.suite}, {row.attack}, {row.judge}" for row in chosen]
    return [f"Rates by suite, attack and judge: {'; '.join(told)}. All others: store.rates_by."]


def hardware_of(records: Sequence[TrialRecord]) -> list[str]:
    """Return text on the ranks and the precision of the trials, one per distinct combination."""
    kinds = Counter(
        (
            record.workers,
            record.config.get("gpus_per_worker"),
            record.config.get("cpus_per_worker"),
            record.config.get("training", {}).get("precision"),
        )
        for record in records
        if record.workers is not None
    )
    return [
        f"{Resources(workers, cpus, gpus)} in {precision}" + (f" ({trials} trials)" if len(kinds) > 1 else "")
        for (workers, gpus, cpus, precision), trials in kinds.items()
        if isinstance(gpus, int | float) and isinstance(cpus, int | float)
    ]


def rate_of(record: TrialRecord, metric: str) -> Rate | None:
    """Return the trial's own rate for a metric."""
    rate: Rate | None = getattr(record, metric)
    return rate
