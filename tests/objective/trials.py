"""Trials with known rates, for the tests of objectives."""

from dataclasses import replace
from typing import Any

from lookahead_ray.objective.base import ReferenceTrials
from lookahead_ray.trial.record import Generation, Rate, Role, TrialRecord, Verdict


def record(rsr: float, jsr: float, utility: float, role: Role = "search", **other: Any) -> TrialRecord:
    """Return a completed trial with these rates; `other` can hold its status."""

    def rate(value: float, n: int) -> Rate:
        return Rate(value, value, value, n, 0)

    return TrialRecord(
        sweep_id="s",
        trial_id="t",
        role=role,
        status=other.get("status", "completed"),
        config={},
        config_hash="",
        params={},
        started_at="",
        rsr=rate(rsr, 160),
        jsr=rate(jsr, 160),
        utility=rate(utility, 100),
    )


def with_over_refusal(trial: TrialRecord, value: float = 0.2) -> TrialRecord:
    """Return the trial with this rate of over-refusal."""
    return replace(trial, over_refusal=Rate(value, value, value, 50, 0))


def with_harmless(records: list[TrialRecord], refused: dict[str, int], n: int = 60) -> list[TrialRecord]:
    """Return the records with harmless requests, of which so many are refused."""

    def row(trial: TrialRecord, i: int) -> Generation:
        verdict: Verdict = "refused" if i < refused.get(trial.trial_id, 0) else "complied"
        plain = next(row for row in trial.generations if row.metric == "rsr")
        return replace(plain, metric="over_refusal", prompt_id=f"harmless-{i:02}", verdict=verdict)

    return [
        trial.with_measured(generations=(*trial.generations, *(row(trial, i) for i in range(n))))
        for trial in records
    ]


SEED = record(0.9, 0.7, 0.02, "seed")  # safety 0.8
VANILLA = record(0.3, 0.1, 0.42, "vanilla")
BOTH = ReferenceTrials(seed=SEED, vanilla=VANILLA)
TRIAL = record(0.7, 0.5, 0.32)  # safety 0.6, S 0.75, U 0.75
