"""How long a sweep goes on, as its agenda asks: the budget, and the repeats that confirm the best."""

import time
from collections.abc import Callable, Sequence

from lookahead_ray.config.load import Sweep
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.sweep.budget import HOUR_S, ended, hours_of, limits, time_is_up
from lookahead_ray.sweep.confirm import next_repeats
from lookahead_ray.sweep.jobs import make_job
from lookahead_ray.sweep.ledger import Ledger
from lookahead_ray.sweep.observer import Observer
from lookahead_ray.trial.job import Job


class Limits:
    """Looks at the ledger's records each time it is asked; this session's clock runs from the start."""

    def __init__(
        self, sweep: Sweep, ledger: Ledger, observer: Observer, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sweep = sweep
        self._ledger = ledger
        self._observer = observer
        self._clock = clock
        self._before = hours_of(ledger.records)
        self._started_s = clock()

    def search_ended(self, searched: int) -> bool:
        """Whether no more may be searched, given how many trials the search has, running ones included."""
        records, references, config = self._ledger.records, self._ledger.references, self._sweep.search
        found = limits(records, references, config, searched=searched, hours=self._hours())
        reason = ended(found)
        told = " · ".join(limit.text for limit in found)
        self._observer.budget(f"{told} · search ended: {reason}" if reason else told)
        return reason is not None

    def repeats(self) -> Sequence[Job]:
        """The next round of repeats with other seeds; none without `search.confirm`, or out of time."""
        records, config = self._ledger.records, self._sweep.search
        if config.confirm is None or time_is_up(records, config, self._hours()):
            return ()
        by_id = {record.trial_id: record for record in records}
        first = 1 + sum(record.role == "repeat" for record in records)
        jobs = []
        for number, repeat in enumerate(
            next_repeats(records, self._sweep.objective, config.confirm), start=first
        ):
            trial = TrialConfig.model_validate(repeat.config)
            jobs.append(make_job(f"repeat-{number:03d}", "repeat", trial, by_id[repeat.of].params))
        return jobs

    def _hours(self) -> float:
        return self._before + (self._clock() - self._started_s) / HOUR_S
