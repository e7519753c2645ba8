"""The view of a running sweep: a panel that redraws itself, or plain lines without a terminal."""

import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from lookahead_ray.presentation.format import decimal, duration, first_line, percent, shorten
from lookahead_ray.presentation.live_panel import doing, draw, rate_percent, time_left
from lookahead_ray.presentation.sweep_progress import FinishedTrial, RunningTrial, SweepProgress
from lookahead_ray.sanitize import clean
from lookahead_ray.sweep.interfaces import Observer, TrialProgress
from lookahead_ray.trial.record import Role, TrialRecord
from lookahead_ray.trial.trainings import count_trainings

REFRESH_PER_SECOND = 4
PLAIN_PROGRESS_S = 30.0  # minimum time between two progress lines without a terminal


class LiveView(Observer):
    """Observer that shows a sweep; a context manager, which always restores the terminal at the end.

    On a terminal, a thread redraws the panel and events only change the state. Otherwise each event prints
    a line.
    """

    def __init__(self, name: str, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self.progress = SweepProgress(name, clock)
        self._console = console
        self._clock = clock
        self._lock = threading.Lock()
        self._last_line_s = -PLAIN_PROGRESS_S
        self._training: set[str] = set()  # trials whose first optimiser step was reported
        self._ended = threading.Event()
        self._live: Live | None = None
        if console.is_interactive:
            self._live = Live(
                get_renderable=self._draw,
                console=console,
                refresh_per_second=REFRESH_PER_SECOND,
                transient=True,  # the report that follows repeats everything in more detail
            )

    def __enter__(self) -> Self:
        if self._live:
            self._live.start(refresh=True)
        else:
            self._line(f"{self.progress.name}: starting")
            threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._live:
            self._live.stop()

    def preparing(self, what: str) -> None:
        """Show a preparation step before the search begins."""
        with self._lock:
            self.progress.preparing = clean(what)
        self._line(f"{self.progress.name}: {what}")

    def sweep_started(
        self, sweep_id: str, run: str, trials: int, committed: Sequence[TrialRecord], log: str
    ) -> None:
        """Show that the search has begun."""
        with self._lock:
            self.progress.sweep_started(run, trials, committed, log)
        kept = f", {count_trainings(committed)} of them committed before" if committed else ""
        self._line(f"{self.progress.name}: {trials} trials{kept}, run {run}, log {log}")

    def budget(self, text: str) -> None:
        """Show how much of the budget is used."""
        with self._lock:
            ends = " · search ended: " in text and text != self.progress.budget
            self.progress.budget = clean(text)
        if ends:
            self._line(f"{self._count()} {text}")

    def trial_started(self, trial_id: str, role: Role, label: str) -> None:
        """Show that a trial has begun."""
        with self._lock:
            trial = self.progress.trial_started(trial_id, role, label)
        self._line(f"{self._count()} started: {trial.label}")

    def trial_restarted(self, trial_id: str, restarts: int, most: int) -> None:
        """Show that a trial has been restarted."""
        with self._lock:
            trial = self.progress.trial_restarted(trial_id, restarts, most)
        self._training.discard(trial_id)
        if trial:
            self._line(f"{self._count()} {trial.note}: {trial.label}")

    def trial_set_aside(self, trial_id: str, error: str, attempts: int, most: int) -> None:
        """Show that a trial failed through the infrastructure and runs again later."""
        with self._lock:
            trial = self.progress.trial_set_aside(trial_id)
        self._training.discard(trial_id)
        if trial:
            again = f"attempt {attempts} of {most}, runs again later"
            reason = shorten(first_line(error), 300)
            self._line(f"{self._count()} set aside: {trial.label} ({again}): {reason}")

    def trial_progress(self, trial_id: str, progress: TrialProgress) -> None:
        """Show the progress of a running trial."""
        with self._lock:
            trial = self.progress.trial_progress(trial_id, progress)
        first = progress.phase == "training" and progress.done >= 1 and trial_id not in self._training
        if first:
            self._training.add(trial_id)
        if trial and (first or self._line_due()):
            self._running(trial)

    def still_running(self) -> None:
        """Write a line about the first running trial if the last line is old; a trial may report nothing."""
        with self._lock:
            trial = next(iter(self.progress.running.values()), None)
        if trial and self._line_due():
            self._running(trial)

    def trial_finished(self, record: TrialRecord) -> None:
        """Show that a trial has been committed."""
        with self._lock:
            trial = self.progress.trial_finished(record)
            left = time_left(self.progress)
        self._line(f"{self._count()} {outcome_line(trial)}; {left}")

    def sweep_finished(self, interrupted: bool) -> None:
        """Show that the sweep has ended."""
        with self._lock:
            self.progress.sweep_finished()
        how = "interrupted" if interrupted else "finished"
        failed = len(self.progress.failures)
        self._line(f"{self._count()} sweep {how}" + (f", {failed} failed" if failed else ""))

    def _watch(self) -> None:
        while not self._ended.wait(PLAIN_PROGRESS_S):
            self.still_running()

    def _draw(self) -> RenderableType:
        with self._lock:
            self.progress.advance()
            return draw(self.progress, self._console.width, self._console.height)

    def _count(self) -> str:
        return f"[{self.progress.done}/{self.progress.trials}]"

    def _line_due(self) -> bool:
        return self._clock() - self._last_line_s >= PLAIN_PROGRESS_S

    def _running(self, trial: RunningTrial) -> None:
        with self._lock:
            self.progress.advance()
            activity = doing(trial, self.progress.unreported_s(trial))
            times = f"{percent(trial.fraction)} of the trial, {time_left(self.progress)}"
        self._line(f"{self._count()} running: {trial.label}: {activity}; {times}")

    def _line(self, text: str) -> None:
        if self._live is None:
            self._last_line_s = self._clock()
            self._console.print(Text(clean(text)), soft_wrap=True, highlight=False)


def outcome_line(trial: FinishedTrial) -> str:
    """Return a finished trial's figures in one line, or the error of a failed or unjudged one."""
    record = trial.record
    if record.status == "failed":
        return f"failed: {trial.label}: {shorten(first_line(record.error or 'no error text'), 300)}"
    if record.status == "unjudged":
        return f"unjudged: {trial.label}: {shorten(first_line(record.error or 'no error text'), 300)}"
    figures = [
        f"RSR {rate_percent(record.rsr)}",
        f"JSR {rate_percent(record.jsr)}",
        f"over-refusal {rate_percent(record.over_refusal)}",
        f"utility {rate_percent(record.utility)}",
    ]
    if record.objective is not None:
        figures.append(f"objective {decimal(record.objective)}")
    if trial.seconds is not None:
        figures.append(duration(trial.seconds))
    ending = {"stopped": "stopped", "partial": "measured in part"}.get(record.status, "finished")
    return f"{ending}: {trial.label}: {', '.join(figures)}"
