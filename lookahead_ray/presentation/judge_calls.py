"""The calls of a run's paid judges and their limits, in words."""

from collections.abc import Sequence

from lookahead_ray.config.judge import LlmJudge
from lookahead_ray.evaluate.judges.call_quota import calls_of
from lookahead_ray.evaluate.judges.registry import judge_id
from lookahead_ray.trial.record import TrialRecord


def judge_calls(run: str, records: Sequence[TrialRecord]) -> list[str]:
    """Return e.g. "llm-1a2b3c4d: 1,234 of 2,000 calls" for each paid judge, with the last trial's limit.

    Calls that running trials were granted count. Raises `StoreError` if the counts can't be read.
    """
    limits: dict[str, int] = {}
    for record in sorted(records, key=lambda record: record.started_at):
        for judge in record.config.get("evaluation", {}).get("judges", ()):
            if judge.get("name") == "llm":
                config = LlmJudge.model_validate(judge)
                limits[judge_id(config)] = config.max_calls
    if not limits:
        return []
    spent = calls_of(run)
    return [f"{name}: {spent[name]:,} of {limit:,} calls" for name, limit in limits.items()]


def unjudged_line(records: Sequence[TrialRecord]) -> str | None:
    """Return how many trials are unjudged and why; None if none is."""
    waiting = [record for record in records if record.status == "unjudged"]
    if not waiting:
        return None
    what = "1 trial waits" if len(waiting) == 1 else f"{len(waiting)} trials wait"
    return f"{what} for a judge, answers kept: {waiting[-1].error or 'no reason is known'}"
