"""The live view's picture of a sweep's progress; pure drawing, for any width from 80 columns on."""

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from lookahead_ray.cli.progress import FinishedTrial, RunningTrial, SweepProgress
from lookahead_ray.cli.text import decimal, duration, percent
from lookahead_ray.sweep.observer import TrialProgress
from lookahead_ray.text import clean
from lookahead_ray.trial.record import Rate

ONE_ROW_WIDTH = 100  # columns; below, a running trial takes two rows
BAR_WIDTH = 12


def draw(progress: SweepProgress, width: int, height: int) -> RenderableType:
    """The whole view; what doesn't fit into `height` rows is counted instead of shown."""
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


def doing(trial: RunningTrial) -> str:
    """What a running trial is doing, and whether it is not for the first time."""
    return " · ".join(filter(None, [trial.note, where(trial.progress)]))


def where(progress: TrialProgress | None) -> str:
    """What a running trial is doing, in one line."""
    if progress is None:
        return "starting"
    parts: list[str] = [progress.phase]
    if progress.detail:
        parts.append(clean(progress.detail))
    if progress.phase == "training" and progress.steps:
        parts.append(f"step {progress.step}/{progress.steps}")
        if progress.loss is not None:
            parts.append(f"loss {decimal(progress.loss)}")
        if progress.tokens_per_second is not None:
            parts.append(f"{progress.tokens_per_second:,.0f} tokens/s")
    return " · ".join(parts)


def time_left(progress: SweepProgress) -> str:
    """The remaining time for a person."""
    left = progress.remaining_s()
    return "estimating…" if left is None else f"about {duration(left)} left"


def share(rate: Rate | None) -> str:
    """A rate's value in percent."""
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
    label = Column(ratio=2, no_wrap=True, overflow="ellipsis")
    activity = Column(ratio=3, no_wrap=True, overflow="ellipsis")
    tail = [Column(width=BAR_WIDTH), Column(width=5, justify="right")]
    columns = [label, activity, *tail] if one_row else [label, *tail]
    grid = Table.grid(*columns, padding=(0, 1), expand=True)
    running = list(progress.running.values())
    for trial in running[:most]:
        name, at = Text(trial.label, style="bold"), Text(doing(trial), style="dim")
        end: list[RenderableType] = [_bar(trial), Text(percent(trial.fraction))]
        if one_row:
            grid.add_row(name, at, *end)
        else:
            grid.add_row(name, *end)
            # a row of its own would be cut at the label's width, so the bar's columns stay empty below it
            grid.add_row(Text("  ").append_text(at))
    more = len(running) - most
    return [grid, Text(f"and {more} more running", style="dim")] if more > 0 else [grid]


def _bar(trial: RunningTrial) -> ProgressBar:
    return ProgressBar(total=1.0, completed=trial.fraction, width=BAR_WIDTH)


def _standing(progress: SweepProgress) -> RenderableType:
    """Best so far, failures, and where the log is."""
    grid = Table.grid(
        Column(width=6), Column(ratio=1, no_wrap=True, overflow="ellipsis"), padding=(0, 1), expand=True
    )
    best = progress.best
    if best:
        record = best.record
        value = "" if record.objective is None else f"objective {decimal(record.objective)} · "
        figures = f"{value}RSR {share(record.rsr)}"
        text = Text(f"{figures} · utility {share(record.utility)} · ").append(best.label, style="bold green")
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
    """The last trials, newest at the bottom."""
    hidden = max(len(trials) - rows, 0)
    hidden += hidden > 0  # the line that says so takes a row too
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
        style = "red" if record.status == "failed" else ""
        note = "" if record.status == "completed" else f" ({record.status})"
        table.add_row(
            Text(note.strip() + " " + trial.label if note else trial.label, style=style),
            share(record.rsr),
            share(record.jsr),
            share(record.over_refusal),
            share(record.utility),
            decimal(record.objective),
            "–" if trial.seconds is None else duration(trial.seconds),
        )
    return table
