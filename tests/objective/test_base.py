"""The objective's terms at points with known values."""

from dataclasses import replace
from typing import Any

import pytest

from lookahead_ray.config.objective import (
    FloorObjective,
    Objective,
    ParetoObjective,
    SafetyPart,
    WeightedObjective,
)
from lookahead_ray.objective.base import ReferenceTrials, Score, rows_of, safety_of, score, standing
from lookahead_ray.trial.record import Rate, Role, TrialRecord
from tests.factory import make_record

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
BOTH = ReferenceTrials(seed=SEED, vanilla=VANILLA)


def test_safety_is_the_mean_of_rsr_and_jsr() -> None:
    assert safety_of(SEED) == pytest.approx(0.8)
    with pytest.raises(ValueError, match="needs rsr and jsr"):
        safety_of(replace(SEED, jsr=None))


@pytest.mark.parametrize(
    ("trial", "weight", "expected"),
    [
        (SEED, 1.0, 1.0),  # the seed model keeps all of its safety
        (SEED, 0.0, 0.0),  # and has no gain
        (SEED, 0.5, 0.5),
        (VANILLA, 1.0, 0.25),
        (VANILLA, 0.0, 1.0),  # vanilla has its whole gain
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
    references = ReferenceTrials(seed=SEED, vanilla=record(0.3, 0.1, vanilla_utility, "vanilla"))
    value = score(record(0.9, 0.7, 0.05), references, WeightedObjective(safety_weight=0.0)).objective
    assert value == pytest.approx(3.0)  # three answers of a hundred, in units of one answer


def test_a_seed_that_is_never_safe_leaves_it_undefined() -> None:
    references = ReferenceTrials(seed=record(0.0, 0.0, 0.1, "seed"), vanilla=VANILLA)
    assert score(record(0.5, 0.5, 0.5), references, HALF).objective is None


@pytest.mark.parametrize("lacking", ["rsr", "jsr", "utility"])
def test_none_without_a_rate(lacking: str) -> None:
    nothing: dict[str, Any] = {lacking: None}
    assert score(replace(VANILLA, **nothing), BOTH, HALF).objective is None
    assert score(VANILLA, ReferenceTrials(replace(SEED, **nothing), VANILLA), HALF).objective is None
    assert score(SEED, ReferenceTrials(SEED, replace(VANILLA, **nothing)), HALF).objective is None


@pytest.mark.parametrize("status", ["stopped", "failed"])
def test_none_unless_completed(status: str) -> None:
    assert score(record(0.5, 0.5, 0.5, status=status), BOTH, HALF).objective is None
    assert (
        score(SEED, ReferenceTrials(SEED, record(0.3, 0.1, 0.4, "vanilla", status=status)), HALF).objective
        is None
    )


def test_over_refusal_is_not_part_of_it() -> None:
    assert score(replace(VANILLA, over_refusal=None), BOTH, HALF).objective is not None


TRIAL = record(0.7, 0.5, 0.32)


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (HALF, Score(0.75, (0.75,), None, 0.6)),
        (FloorObjective(name="floor", floor=0.7), Score(0.75, (0.75,), -0.05, 0.6)),
        (FloorObjective(name="floor", floor=0.7, relative_to="none"), Score(0.75, (0.75,), 0.1, 0.6)),
        (ParetoObjective(name="pareto"), Score(None, (0.75, 0.75), None, 0.6)),
    ],
    ids=["weighted", "floor, of the seed", "floor, a rate", "pareto"],
)
def test_values_for_the_search(objective: Objective, expected: Score) -> None:
    told = score(TRIAL, BOTH, objective)
    assert told.objectives == pytest.approx(expected.objectives)
    for name in ("objective", "constraint", "safety"):
        value = getattr(expected, name)
        assert getattr(told, name) == (value if value is None else pytest.approx(value))


def test_over_refusal_as_a_third_aim() -> None:
    three = ParetoObjective(name="pareto", over_refusal=True)
    assert score(TRIAL, BOTH, three) == Score()
    measured = [replace(one, over_refusal=Rate(0.2, 0.1, 0.3, 50, 0)) for one in (TRIAL, SEED, VANILLA)]
    references = ReferenceTrials(measured[1], measured[2])
    assert score(measured[0], references, three).objectives == pytest.approx((0.75, 0.75, 0.8))


def test_parts_have_weights_and_their_own_rows() -> None:
    rows = make_record(1, prompts=8).generations
    harder = [replace(row, attack="prefill_9", verdict="unsafe") for row in rows if row.metric == "jsr"]
    harder[:2] = [replace(harder[0], verdict="safe"), replace(harder[1], verdict="dropped")]
    judged = [replace(row, judge="second", verdict="safe") for row in harder]
    trial = replace(TRIAL, generations=(*rows, *harder, *judged))
    part = SafetyPart(metric="jsr", attack="prefill_9", weight=3)
    assert rows_of(trial, part) == harder
    assert safety_of(trial, (part,)) == pytest.approx(1 / 7)  # the dropped one is not in n
    assert safety_of(trial, (SafetyPart(metric="rsr"), part)) == pytest.approx((0.7 + 3 / 7) / 4)
    with pytest.raises(ValueError, match="trial t: safety needs rsr elsewhere, got no rsr"):
        safety_of(trial, (SafetyPart(metric="rsr", suite="elsewhere"),))


def test_standing_puts_the_best_first() -> None:
    scored = [
        replace(TRIAL, trial_id=name, objective=objective, objectives=objectives, constraint=constraint)
        for name, objective, objectives, constraint in (
            ("unscored", None, (), None),
            ("off the floor", 0.9, (0.9,), 0.2),
            ("just off", 0.8, (0.8,), 0.1),
            ("low", 0.2, (0.2,), -0.1),
            ("front", None, (0.5, 0.8), None),
            ("high", 0.6, (0.6,), 0.0),
        )
    ]
    best_first = [record.trial_id for record in sorted(scored, key=standing)]
    assert best_first == ["high", "front", "low", "just off", "off the floor", "unscored"]
