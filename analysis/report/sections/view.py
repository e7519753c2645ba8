"""Data from which all sections of one run are built."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from analysis.report.advice import Advice, advise
from analysis.report.data.columns import take_ids
from analysis.report.frame import chosen_ids, completed, framed, front_ids, ranked
from analysis.report.source import Source

MOST_SHOWN = 24
MOST_POINTS = 1000


@dataclass(frozen=True)
class View:
    """A run, its trials and the recommendation. `shown` are the trials with a row of their own in tables."""

    source: Source
    frame: pa.Table
    advice: Advice
    order: list[str]
    shown: list[str]

    @property
    def completed(self) -> int:
        """Return the number of completed trials."""
        return len(self.order)

    def some(self) -> str:
        """Return a sentence on the trials that are shown; empty if all are."""
        if len(self.shown) >= self.completed:
            return ""
        return (
            f"Shown are {len(self.shown)} of {self.completed:,} completed trials: the references, the "
            "recommended one, the front, and the best by objective."
        )

    def points(self, keep: list[str]) -> tuple[pa.Table, str]:
        """Return completed trials to plot (all, or shown ones, `keep` and a random sample), and a note."""
        every = completed(self.frame)
        if every.num_rows <= MOST_POINTS:
            return every, ""
        rng = np.random.default_rng(0)
        ids = every["trial_id"].to_pylist()
        drawn = [ids[place] for place in rng.permutation(len(ids))]
        some = list(dict.fromkeys([*self.shown, *keep, *drawn]))[:MOST_POINTS]
        note = f"{len(some):,} of {len(ids):,} trials are drawn: the marked ones and a random sample."
        return take_ids(every, some), note


def view_of(source: Source) -> View:
    """Return the data of a run that the sections need."""
    frame = framed(source.read("trials"))
    advice = advise(source, frame)
    first = [advice.trial_id] if advice.trial_id else []
    fronts = front_ids(frame, "utility", "safety")
    shown = chosen_ids(frame, [*first, *advice.front, *fronts], MOST_SHOWN)
    return View(source, frame, advice, ranked(frame), shown)
