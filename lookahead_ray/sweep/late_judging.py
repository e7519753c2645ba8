"""Judging of committed answers whose judge was down when their trial ended. Does not use Ray."""

import logging
from collections.abc import Sequence

from lookahead_ray.config.judge import JudgeConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.evaluate.judges.base import JudgeUnavailableError
from lookahead_ray.evaluate.judges.call_quota import RunQuota
from lookahead_ray.evaluate.judges.registry import judge_id
from lookahead_ray.evaluate.judging import judge_again
from lookahead_ray.sweep.interfaces import Sink
from lookahead_ray.sweep.search.jobs import REFERENCE_ROLES
from lookahead_ray.sweep.trial_log import TrialLog
from lookahead_ray.trial.record import TrialRecord, judged_record


class LateJudging:
    """Completes the unjudged trials of a run."""

    def __init__(self, judges: Sequence[JudgeConfig], sink: Sink, trial_log: TrialLog) -> None:
        """Create it; `judges` have the limits that hold now, in place of those of the trials."""
        self._judges = judges
        self._sink = sink
        self._trial_log = trial_log
        self.reason: str | None = None
        """Why a trial was left unjudged the last time; None if none was."""

    def judge(self) -> list[TrialRecord]:
        """Judge the unjudged trials again and return those that are completed, scored.

        References come first; without both, no other trial can be scored, so it is not completed. A judge
        that is still down holds the caller for as long as it holds a trial (see `circuit_breaker`).

        Raises:
            StoreError: a trial can't be read or completed.
        """
        self.reason = None
        completed = []
        for waiting in self._trial_log.unjudged:
            if waiting.role in ("search", "repeat") and self._lacks_references():
                break
            record = self._sink.load(waiting.trial_id)
            rows, reason = judge_again(record.generations, self._judges_of(record), RunQuota(self._sink.run))
            if reason is not None:
                self.reason = reason
                logging.getLogger(__name__).warning("%s stays unjudged: %s", record.trial_id, reason)
                if waiting.role in REFERENCE_ROLES:
                    break
                continue
            completed.append(self._trial_log.complete(judged_record(record, rows), self._sink.complete))
        if any(record.role in REFERENCE_ROLES for record in completed):
            completed += self._score_vanilla([record.trial_id for record in completed])
        return completed

    def require_references(self) -> None:
        """Raise JudgeUnavailableError if a reference trial is unjudged."""
        waiting = [record for record in self._trial_log.unjudged if record.role in REFERENCE_ROLES]
        if waiting:
            names = " and ".join("the seed model" if r.role == "seed" else "vanilla" for r in waiting)
            raise JudgeUnavailableError(
                f"{names} could not be judged, and no trial can be compared without: "
                f"{self.reason or waiting[0].error}; the answers are kept and nothing is trained again: mend "
                "the judge, then continue with --resume"
            )

    def _lacks_references(self) -> bool:
        """Return whether a reference trial is missing; a run of `train` has and needs none."""
        has_any = any(record.role in REFERENCE_ROLES for record in self._trial_log.records)
        return has_any and self._trial_log.references is None

    def _score_vanilla(self, scored: Sequence[str]) -> list[TrialRecord]:
        """Score vanilla's points that were committed without, as a reference was unjudged then."""
        references = self._trial_log.references
        if references is None:
            return []
        points = self._trial_log.of_training(references.vanilla)
        left = [one for one in points if one.status == "completed" and one.trial_id not in scored]
        loaded = [self._sink.load(one.trial_id) for one in left]
        return [self._trial_log.complete(record, self._sink.complete) for record in loaded]

    def _judges_of(self, record: TrialRecord) -> Sequence[JudgeConfig]:
        """Return the trial's judges, with the limits that hold now."""
        now = {judge_id(judge): judge for judge in self._judges}
        then = TrialConfig.model_validate(record.config).evaluation.judges
        return [now.get(judge_id(judge), judge) for judge in then]
