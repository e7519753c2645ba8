"""The table of general abilities: scores of `lm-eval` tasks, in each task's own unit."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Column
from rich.text import Text

from lookahead_ray.presentation.trials_table import new_table, print_table, sort_trials, trial_cells
from lookahead_ray.trial.record import TrialRecord

MOST_SCORES = 4
"""Maximum number of scores in a printed table; the stored tables contain all of them."""


@dataclass(frozen=True)
class HarnessScore:
    """One score of a task; `low` and `high` are the ends of its 95 % interval, if the task gives an error."""

    name: str  # task/metric, with the filter if there is one
    value: float
    low: float | None
    high: float | None
    n: int | None  # examples; None for groups of tasks

    @property
    def interval(self) -> str:
        """Return the ends in words, or a dash."""
        return "–" if self.low is None or self.high is None else f"{self.low:.3f} to {self.high:.3f}"

    def __str__(self) -> str:
        """Return `0.532 [0.410, 0.654]`."""
        if self.low is None or self.high is None:
            return f"{self.value:.3f}"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def harness_scores(record: TrialRecord) -> list[HarnessScore]:
    """Return a trial's scores in the order of its tasks."""
    found = record.measurement.harness if record.measurement else {}
    return [
        HarnessScore(name, score["value"], score.get("low"), score.get("high"), _whole(score.get("n")))
        for name, score in found.items()
    ]


def print_harness(console: Console, records: Sequence[TrialRecord]) -> None:
    """Print the scores of all models; nothing if none was measured."""
    shown = [one for one in sort_trials(records) if harness_scores(one.record)]
    names = list(dict.fromkeys(score.name for one in shown for score in harness_scores(one.record)))
    if not names:
        return
    table = new_table(*(Column(name.replace("/", "\n", 1), justify="right") for name in names[:MOST_SCORES]))
    cells = trial_cells(shown)
    for one in shown:
        scores = {score.name: str(score) for score in harness_scores(one.record)}
        table.add_row(cells[one.record.trial_id], *(scores.get(name, "–") for name in names[:MOST_SCORES]))
    console.print()
    print_table(console, table)
    more = f" {len(names) - MOST_SCORES} more in the column harness." if len(names) > MOST_SCORES else ""
    line = f"General abilities, by lm-eval, each in its task's unit; [a, b]: 95 % interval.{more}"
    console.print(Text(line, style="dim"))


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
