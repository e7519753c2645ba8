"""The objective's terms at the points where they are known."""

from dataclasses import replace
from typing import Any

import pytest

from lookahead_ray.config.objective import WeightedObjective
from lookahead_ray.trial.objective import References, safety_of, score
from lookahead_ray.trial.record import Rate, Role, TrialRecord

HALF = WeightedObjective()


def record(rsr: float, jsr: float, utility: float, role: Role = "search", **other: Any) -> TrialRecord:
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


SEED = record(0.9, 0.7, 0.02, "seed")
VANILLA = record(0.3, 0.1, 0.42, "vanilla")
BOTH = References(seed=SEED, vanilla=VANILLA)


def test_safety_is_the_mean_of_rsr_and_jsr() -> None:
    assert safety_of(SEED) == pytest.approx(0.8)
    with pytest.raises(ValueError, match="needs rsr and jsr"):
        safety_of(replace(SEED, jsr=None))


@pytest.mark.parametrize(
    ("trial", "weight", "expected"),
    [
        (SEED, 1.0, 1.0),  # the seed keeps all of its safety
        (SEED, 0.0, 0.0),  # and has gained nothing
        (SEED, 0.5, 0.5),
        (VANILLA, 1.0, 0.25),
        (VANILLA, 0.0, 1.0),  # vanilla has gained all of its gain
        (VANILLA, 0.5, 0.625),
        (record(0.7, 0.5, 0.32), 0.5, 0.5 * 0.75 + 0.5 * 0.75),
        (record(1.0, 1.0, 0.52), 0.5, 0.5 * 1.25 + 0.5 * 1.25),  # both terms may exceed 1
        (record(0.8, 0.8, 0.0), 0.0, -0.05),
    ],
)
def test_known_points(trial: TrialRecord, weight: float, expected: float) -> None:
    assert score(trial, BOTH, WeightedObjective(safety_weight=weight)).objective == pytest.approx(expected)


@pytest.mark.parametrize("vanilla_utility", [0.02, 0.01, 0.025])
def test_a_vanilla_that_learned_nothing_counts_as_one_answer(vanilla_utility: float) -> None:
    references = References(seed=SEED, vanilla=record(0.3, 0.1, vanilla_utility, "vanilla"))
    value = score(record(0.9, 0.7, 0.05), references, WeightedObjective(safety_weight=0.0)).objective
    assert value == pytest.approx(3.0)  # three answers of a hundred, in units of one answer


def test_a_seed_that_is_never_safe_leaves_it_undefined() -> None:
    references = References(seed=record(0.0, 0.0, 0.1, "seed"), vanilla=VANILLA)
    assert score(record(0.5, 0.5, 0.5), references, HALF).objective is None


@pytest.mark.parametrize("lacking", ["rsr", "jsr", "utility"])
def test_none_without_a_rate(lacking: str) -> None:
    nothing: dict[str, Any] = {lacking: None}
    assert score(replace(VANILLA, **nothing), BOTH, HALF).objective is None
    assert score(VANILLA, References(replace(SEED, **nothing), VANILLA), HALF).objective is None
    assert score(SEED, References(SEED, replace(VANILLA, **nothing)), HALF).objective is None


@pytest.mark.parametrize("status", ["stopped", "failed"])
def test_none_unless_completed(status: str) -> None:
    assert score(record(0.5, 0.5, 0.5, status=status), BOTH, HALF).objective is None
    assert (
        score(SEED, References(SEED, record(0.3, 0.1, 0.4, "vanilla", status=status)), HALF).objective is None
    )


def test_over_refusal_is_not_part_of_it() -> None:
    assert score(replace(VANILLA, over_refusal=None), BOTH, HALF).objective is not None
