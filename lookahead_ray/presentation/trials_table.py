"""Tables of trials: their order, the cells of a row, and the table of rates."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from lookahead_ray.objective.base import standing
from lookahead_ray.presentation.format import percent, shorten_label
from lookahead_ray.sanitize import clean
from lookahead_ray.sweep.recommend.seed_average import SeedAverage, average_over_seeds
from lookahead_ray.trial.label import label
from lookahead_ray.trial.record import Metric, Rate, Role, TrialRecord

LONGEST_LABEL = 40  # characters in tables
LEAST_LABEL = 12  # columns of the terminal that a trial's name keeps; it is wrapped there
ROLE_ORDER: dict[Role, int] = {"seed": 0, "vanilla": 1, "search": 2, "repeat": 3, "evaluate": 4}

METRICS: dict[Metric, str] = {
    "rsr": "RSR",
    "jsr": "JSR",
    "over_refusal": "over-refusal",
    "utility": "utility",
}
"""Metric -> its name for the user, in the order of the columns."""

FillCells = Callable[[TrialRecord], list[str]]
"""A function that returns a record's cells in additional columns."""


def sort_trials(records: Iterable[TrialRecord]) -> list[SeedAverage]:
    """Return seed model, vanilla, then configurations, best first; failed ones at the end of their kind."""
    return sorted(
        average_over_seeds(list(records)),
        key=lambda one: (ROLE_ORDER[one.record.role], *standing(one.record)),
    )


def rates_table(
    shown: Sequence[SeedAverage], more: Sequence[Column], fill: FillCells, chosen: str | None
) -> Table:
    """Return a table with the metrics' columns, and the columns `more`, whose cells `fill` returns.

    `chosen` is the id of the recommended trial.
    """
    records = [one.record for one in shown]
    metrics = [metric for metric in METRICS if any(rate_of(record, metric) for record in records)]
    columns = [Column(f"{METRICS[m]}\n{_sizes(records, m)}", justify="right") for m in metrics]
    table, cells = new_table(*columns, *more), trial_cells(shown, chosen)
    for one in shown:
        rates = [rate_text(rate_of(one.record, metric)) for metric in metrics]
        table.add_row(cells[one.record.trial_id], *rates, *fill(one.record))
    return table


STYLES = {"failed": "red", "unjudged": "yellow"}
"""Styles of trials that are not completed, by status; other ones are dim."""


def new_table(*columns: Column) -> Table:
    """Return an empty table whose first column is the trial's name."""
    for column in columns:
        column.no_wrap = True
    first = Column("trial", overflow="fold", ratio=1)
    return Table(first, *columns, box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")


def print_table(console: Console, table: Table) -> None:
    """Print a table of `new_table`; on a narrow terminal in several parts, each with the trials' names.

    Rich would take the space from the names first, until none is left, and then cut the figures.
    """
    names, *columns = table.columns
    room = console.width - min(_width(names), LEAST_LABEL)
    parts: list[list[Column]] = [[]]
    for column in columns:
        if parts[-1] and sum(1 + _width(one) for one in [*parts[-1], column]) > room:
            parts.append([])
        parts[-1].append(column)
    if len(parts) == 1:
        console.print(table)
        return
    for place, part in enumerate(parts):
        made = new_table(*(Column(one.header, justify=one.justify) for one in part))
        made.columns[0].header = names.header
        for cells in zip(names.cells, *(one.cells for one in part), strict=True):
            made.add_row(*cells)
        if place:
            console.print()
        console.print(made)


def _width(column: Column) -> int:
    """Return the columns of the terminal that the longest line of a table's column takes."""
    return max(cell_len(line) for text in (column.header, *column.cells) for line in str(text).split("\n"))


def trial_cells(shown: Sequence[SeedAverage], chosen: str | None = None) -> dict[str, Text]:
    """Return the names of configurations for a table's first column, by trial id; `chosen` is marked.

    Names that are the same, as what differs is cut off, get the trial's id.
    """
    names = [shorten_label(trial_label(one.record), LONGEST_LABEL) for one in shown]
    counts = Counter(names)
    return {
        one.record.trial_id: _cell(one, f"{name} {one.record.trial_id}" if counts[name] > 1 else name, chosen)
        for one, name in zip(shown, names, strict=True)
    }


def _cell(one: SeedAverage, name: str, chosen: str | None) -> Text:
    record = one.record
    name += f" ({one.seeds} seeds)" if one.seeds > 1 else ""
    if record.status == "partial":
        return Text(f"{name} (partial, {_sizes([record], 'rsr')})", style="dim")
    if record.status != "completed":
        return Text(f"{name} ({record.status})", style=STYLES.get(record.status, "dim"))
    if record.trial_id == chosen:
        return Text(f"▸ {name}", style="bold green")
    return Text(name)


def trial_label(record: TrialRecord) -> str:
    """Return a trial's label, safe for a terminal."""
    return clean(label(record.config, record.role, record.params))


def rate_text(rate: Rate | None) -> str:
    """Return a rate as `63 % [55, 70]`; unparsed answers are shown as `2?`."""
    if rate is None or math.isnan(rate.value):
        return "–"
    unparsed = f" {rate.unparsed}?" if rate.unparsed else ""
    return f"{percent(rate.value)}{unparsed} [{100 * rate.low:.0f}, {100 * rate.high:.0f}]"


def rate_of(record: TrialRecord, metric: Metric) -> Rate | None:
    """Return the trial's own rate for a metric."""
    rate: Rate | None = getattr(record, metric)
    return rate


def _sizes(records: Sequence[TrialRecord], metric: Metric) -> str:
    """Return the number of answers, or the smallest and the largest number, such as "n=80–160"."""
    sizes = sorted({rate.n for record in records if (rate := rate_of(record, metric))})
    return f"n={sizes[0]}" if len(sizes) == 1 else f"n={sizes[0]}–{sizes[-1]}"
