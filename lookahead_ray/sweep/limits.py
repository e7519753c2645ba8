"""The limits of a sweep: when it ends by its budget, and the repeats that confirm the best trials."""

import time
from collections.abc import Callable, Sequence
from itertools import count

from lookahead_ray.config.load import Sweep, trial_json
from lookahead_ray.config.trial import RESOURCE_FIELDS, TrialConfig
from lookahead_ray.sweep.attempts import Attempts
from lookahead_ray.sweep.interfaces import Observer
from lookahead_ray.sweep.recommend.confirm import next_repeats
from lookahead_ray.sweep.search.jobs import make_job
from lookahead_ray.sweep.stopping.budget import HOUR_S, end_reason, hours_of, measure_limits, time_is_up
from lookahead_ray.sweep.trial_log import TrialLog
from lookahead_ray.trial.job import Job


class Limits:
    """Limits of a sweep, computed from the trial log at each call; the session's clock starts on creation."""

    def __init__(
        self,
        sweep: Sweep,
        trial_log: TrialLog,
        observer: Observer,
        attempts: Attempts | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sweep = sweep
        self._attempts = attempts or Attempts()
        self._trial_log = trial_log
        self._observer = observer
        self._clock = clock
        self._hours_before = hours_of(trial_log.records, self._attempts.earlier_sessions)
        self._started_s = clock()

    def search_ended(self, searched: int) -> bool:
        """Return whether the search has ended, given its number of trials, running ones included."""
        records, references, config = self._trial_log.records, self._trial_log.references, self._sweep.search
        found = measure_limits(
            records,
            references,
            config,
            searched=searched,
            hours=self._hours(),
            lost_accelerator_s=self._attempts.accelerator_s,
        )
        reason = end_reason(found)
        text = " · ".join(limit.text for limit in found)
        self._observer.budget(f"{text} · search ended: {reason}" if reason else text)
        return reason is not None

    def repeats(self) -> Sequence[Job]:
        """Return the next round of repeats with other random seeds; none without `search.confirm` or time."""
        records, config = self._trial_log.records, self._sweep.search
        if config.confirm is None or self.time_is_up():
            return ()
        by_id = {record.trial_id: record for record in records}
        repeats = next_repeats(records, self._sweep.objective, config.confirm)
        free = (name for number in count(1) if (name := f"repeat-{number:03d}") not in by_id)
        # records hold the resources of the machine that they ran on
        template, today = self._sweep.template, trial_json(self._sweep.reference())
        resources = {
            field: today[field] for field in RESOURCE_FIELDS if template.get(field, "auto") == "auto"
        }
        return [
            make_job(
                name,
                "repeat",
                TrialConfig.model_validate({**repeat.config, **resources}),
                by_id[repeat.of].params,
            )
            for name, repeat in zip(free, repeats, strict=False)
        ]

    def time_is_up(self) -> bool:
        """Return whether the time or the accelerator hours are used up, so that no trial may start."""
        lost_s = self._attempts.accelerator_s
        return time_is_up(self._trial_log.records, self._sweep.search, self._hours(), lost_s)

    def hours_are_up(self) -> bool:
        """Return whether the wall-clock time is used up, so that running trials of the search end."""
        hours = self._sweep.search.budget.hours
        return hours is not None and self._hours() >= hours

    def _hours(self) -> float:
        return self._hours_before + (self._clock() - self._started_s) / HOUR_S
