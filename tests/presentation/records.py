"""Synthetic trial records for tests of the presentation."""

from typing import Any

from lookahead_ray.sweep.recommend.recommendation import Comparison, Recommendation
from lookahead_ray.trial.record import Rate, Role, Status, TrialRecord
from tests.factory import make_measurement

HOSTILE = "[bold red]x[/] \x1b[31m\x1b]0;title\x07$\\frac{1}{2}$ \u202eevil\nnew\rline [/nope]"
"""A prefix that tries rich markup, escape sequences, mathtext, bidirectional overrides and line breaks."""


def rate(value: float, n: int = 160, unparsed: int = 0) -> Rate:
    """Return a rate with an interval of plausible width."""
    half = 1.96 * (value * (1 - value) / n + 0.25 / n**2) ** 0.5
    return Rate(value, max(value - half, 0.0), min(value + half, 1.0), n, unparsed)


def record(
    trial_id: str,
    role: Role = "search",
    preview: dict[str, Any] | None = None,
    rates: tuple[float, float, float, float] | None = (0.6, 0.3, 0.1, 0.4),
    objective: float | None = None,
    status: Status = "completed",
    error: str | None = None,
    seconds: float | None = 100.0,
) -> TrialRecord:
    """Return one trial; `rates` are RSR, JSR, over-refusal and utility."""
    config = {
        "model": {"path": "embedded", "revision": None},
        "task": {"name": "word_problems", "train_examples": 256, "test_examples": 128},
        "preview": preview or {"strategy": "none"},
        "method": {"name": "vanilla"},
        "training": {"learning_rate": 1e-4, "epochs": 3, "batch_size": 16},
        "seed": 0,
    }
    rsr, jsr, over, utility = (rate(r) for r in rates) if rates else (None, None, None, None)
    return TrialRecord(
        sweep_id="quickstart-1a2b",
        trial_id=trial_id,
        role=role,
        status=status,
        config=config,
        config_hash=f"hash-{trial_id}",
        params={},
        started_at="2026-01-01T00:00:00+00:00",
        error=error,
        objective=objective,
        safety=(rsr.value + jsr.value) / 2 if rsr and jsr else None,
        rsr=rsr,
        jsr=jsr,
        over_refusal=over,
        utility=utility,
        seconds_total=seconds,
        measurement=make_measurement(
            seconds_train=0.6 * seconds if role != "seed" else 0.0, seconds_evaluate=0.3 * seconds
        )
        if seconds
        else None,
    )


def true(length_tokens: int) -> dict[str, Any]:
    """Return a true preview's configuration."""
    return {"strategy": "true", "length_tokens": length_tokens, "connector": " The answer begins with: "}


def virtual(prefix: str) -> dict[str, Any]:
    """Return a virtual preview's configuration."""
    return {"strategy": "virtual", "prefix": prefix, "connector": " The answer begins with: "}


def sweep() -> list[TrialRecord]:
    """Return a whole sweep with a failed trial and a hostile prefix."""
    error = "ModelError: [red]out of memory[/] \x1b[2J in rank 1\nTraceback: many more lines"
    return [
        record("t0", "seed", rates=(0.92, 0.45, 0.10, 0.05), seconds=40),
        record("t1", "vanilla", rates=(0.31, 0.06, 0.02, 0.44), objective=0.5),
        record("t2", preview=true(1), rates=(0.34, 0.08, 0.02, 0.45), objective=0.53),
        record("t3", preview=true(6), rates=(0.55, 0.15, 0.04, 0.43), objective=0.66),
        record("t4", preview=true(12), rates=(0.57, 0.16, 0.05, 0.39), objective=0.63),
        record("t5", preview=virtual("Let's solve it. "), rates=(0.71, 0.21, 0.06, 0.42), objective=0.74),
        record("t6", preview=virtual(HOSTILE), rates=(0.50, 0.12, 0.04, 0.40), objective=0.6),
        record("t7", preview=true(3), rates=None, status="failed", error=error, seconds=3),
    ]


def recommendation() -> Recommendation:
    """Return the recommendation that fits `sweep()`."""
    vanilla = 0.5
    scored = sorted(
        (r for r in sweep() if r.role == "search" and r.objective), key=lambda r: -(r.objective or 0)
    )
    comparisons = tuple(
        Comparison(r.trial_id, o, o - vanilla, o - vanilla - 0.08, o - vanilla + 0.08, 0.0002, 0.03)
        for r in scored
        if (o := r.objective)
    )
    sentence = "virtual keeps 40 points more RSR than vanilla at 2 points less utility."
    return Recommendation("t5", sentence, ("t3",), comparisons)
