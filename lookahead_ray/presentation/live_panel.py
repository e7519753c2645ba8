"""Rendering of a sweep's progress for the live view; pure functions, for widths of 80 columns or more."""

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from lookahead_ray.presentation.format import decimal, duration, percent
from lookahead_ray.presentation.sweep_progress import FinishedTrial, RunningTrial, SweepProgress
from lookahead_ray.sanitize import clean
from lookahead_ray.trial.record import Rate

ONE_ROW_WIDTH = 130  # columns; on narrower terminals, a running trial takes two rows
LONG_S = 5.0  # seconds after which the duration of work with unknown progress is shown
BAR_WIDTH = 12


def draw(progress: SweepProgress, width: int, height: int) -> RenderableType:
    """Return the whole view; trials that don't fit into `height` rows are counted instead of shown."""
    rows_each = 1 if width >= ONE_ROW_WIDTH else 2
    most_running = max((height - 8) // (2 * rows_each), 1)
    parts: list[RenderableType] = [_overall(progress)]
    if progress.running:
        parts += [Text(), *_running(progress, most_running, rows_each == 1)]
    parts += [Text(), _standing(progress)]
    title = Text(f" {progress.name} · {progress.run or 'starting'} ", style="bold")
    panel = Panel(Group(*parts), title=title, title_align="left", border_style="dim")
    used = 7 + (rows_each * min(len(progress.running), most_running) + 2 if progress.running else 0)
    rows = height - used - 5
    if not progress.finished or rows < 1:
        return panel
    return Group(panel, _finished(list(progress.finished.values()), rows))


def doing(trial: RunningTrial, unreported_s: float) -> str:
    """Return the current work of a running trial, and its duration so far if its progress is unknown."""
    detail = clean(trial.progress.detail) if trial.progress else "starting"
    unknown = trial.progress is None or trial.progress.total <= 0
    lasted = f"for {duration(unreported_s)}" if unknown and unreported_s >= LONG_S else ""
    return " · ".join(filter(None, [trial.note, detail, lasted]))


def time_left(progress: SweepProgress) -> str:
    """Return the remaining time as readable text."""
    left = progress.remaining_s()
    if left is not None:
        return f"about {duration(left)} left"
    least = progress.least_remaining_s()
    return "estimating…" if least is None else f"more than {duration(least)} left"


def rate_percent(rate: Rate | None) -> str:
    """Return a rate's value in percent."""
    return percent(rate.value if rate else None)


def _overall(progress: SweepProgress) -> RenderableType:
    if not progress.started:
        return Text(f"{progress.preparing} · {duration(progress.elapsed_s)}")
    grid = Table.grid(
        Column(ratio=1), Column(no_wrap=True), Column(no_wrap=True), padding=(0, 2), expand=True
    )
    bar = ProgressBar(total=1.0, completed=progress.fraction)
    times = f"{duration(progress.elapsed_s)}, {time_left(progress)}"
    grid.add_row(bar, Text(f"{progress.done}/{progress.trials} trials"), Text(times))
    return grid


def _running(progress: SweepProgress, most: int, one_row: bool) -> list[RenderableType]:
    running = list(progress.running.values())
    rows: list[RenderableType] = []
    for trial in running[:most]:
        name = Text(trial.label, style="bold")
        at = Text(doing(trial, progress.unreported_s(trial)), style="dim", no_wrap=True, overflow="ellipsis")
        tail = _bar(trial), Text(percent(trial.fraction))
        if one_row:
            rows.append(_row(name, at, *tail))
        else:
            rows += [_row(name, *tail), Text("  ", no_wrap=True, overflow="ellipsis").append_text(at)]
    more = len(running) - most
    return [*rows, Text(f"and {more} more running", style="dim")] if more > 0 else rows


def _row(name: Text, *others: RenderableType) -> Table:
    """Return a one-row table, so that the text on the trial's current work can use the full width below."""
    middle = [Column(ratio=2, no_wrap=True, overflow="ellipsis") for _ in others[2:]]
    label = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    tail = Column(width=BAR_WIDTH), Column(width=5, justify="right")
    grid = Table.grid(label, *middle, *tail, padding=(0, 1), expand=True)
    grid.add_row(name, *others)
    return grid


def _bar(trial: RunningTrial) -> ProgressBar:
    return ProgressBar(total=1.0, completed=trial.fraction, width=BAR_WIDTH)


def _standing(progress: SweepProgress) -> RenderableType:
    """Return the best trial so far, the failures, and the log's path."""
    grid = Table.grid(
        Column(width=6), Column(ratio=1, no_wrap=True, overflow="ellipsis"), padding=(0, 1), expand=True
    )
    best = progress.best
    if best:
        record = best.record
        value = "" if record.objective is None else f"objective {decimal(record.objective)} · "
        figures = f"{value}RSR {rate_percent(record.rsr)}"
        figures = f"{figures} · utility {rate_percent(record.utility)} · "
        text = Text(figures).append(best.label, style="bold green")
        grid.add_row(Text("best"), text)
    else:
        grid.add_row(Text("best"), Text("none yet", style="dim"))
    if progress.failures:
        failed = Text(f"{len(progress.failures)} failed", style="bold red")
        grid.add_row(Text("errors"), failed.append(f" · last: {progress.last_error}", style="red"))
    if progress.budget:
        grid.add_row(Text("budget"), Text(progress.budget))
    if progress.log:
        grid.add_row(Text("log", style="dim"), Text(progress.log, style="dim"))
    return grid


def _finished(trials: list[FinishedTrial], rows: int) -> RenderableType:
    """Return a table of the last finished trials, newest at the bottom."""
    hidden = max(len(trials) - rows, 0)
    hidden += hidden > 0  # the line with the number of hidden trials takes a row too
    figures = ("RSR", "JSR", "over-\nrefusal", "utility", "objective", "time")
    head = f"trial ({hidden} earlier ones not shown)" if hidden else "trial"
    table = Table(
        Column(Text(head), ratio=1, no_wrap=True, overflow="ellipsis"),
        *(Column(name, justify="right", no_wrap=True) for name in figures),
        box=None,
        expand=True,
        padding=(0, 1),
        header_style="dim",
    )
    for trial in trials[hidden:]:
        record = trial.record
        style = {"failed": "red", "unjudged": "yellow"}.get(record.status, "")
        note = "" if record.status == "completed" else f" ({record.status})"
        table.add_row(
            Text(note.strip() + " " + trial.label if note else trial.label, style=style),
            rate_percent(record.rsr),
            rate_percent(record.jsr),
            rate_percent(record.over_refusal),
            rate_percent(record.utility),
            decimal(record.objective),
            "–" if trial.seconds is None else duration(trial.seconds),
        )
    return table
