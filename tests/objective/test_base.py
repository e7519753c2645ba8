"""Safety of a trial, and the order of trials."""

import math
from dataclasses import replace

import pytest

from lookahead_ray.config.objective import DEFAULT_PARTS, SafetyPart
from lookahead_ray.objective.base import describe_safety, rows_of, safety_of, standing
from tests.factory import make_measurement, make_record
from tests.objective.trials import SEED, TRIAL


def test_safety_is_the_mean_of_rsr_and_jsr() -> None:
    assert safety_of(SEED) == pytest.approx(0.8)
    with pytest.raises(ValueError, match="needs rsr and jsr"):
        safety_of(replace(SEED, jsr=None))


def test_parts_have_weights_and_their_own_rows() -> None:
    rows = make_record(1, prompts=8).generations
    harder = [replace(row, attack="prefill_9", verdict="unsafe") for row in rows if row.metric == "jsr"]
    harder[:2] = [replace(harder[0], verdict="safe"), replace(harder[1], verdict="dropped")]
    judged = [replace(row, judge="second", verdict="safe") for row in harder]
    trial = replace(TRIAL, measurement=make_measurement(generations=(*rows, *harder, *judged)))
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
            ("no number", math.nan, (math.nan,), None),
        )
    ]
    best_first = [record.trial_id for record in sorted(scored, key=standing)]
    assert best_first == ["high", "front", "low", "just off", "off the floor", "unscored", "no number"]


def test_safety_is_described_by_its_parts() -> None:
    prefill = SafetyPart(metric="jsr", suite="probe", attack="prefill_5", weight=2)
    assert describe_safety(DEFAULT_PARTS) == "the mean of rsr, jsr"
    assert describe_safety((prefill,)) == "jsr probe prefill_5"
    assert describe_safety((SafetyPart(metric="rsr"), prefill)) == (
        "the weighted mean of 1 · rsr, 2 · jsr probe prefill_5"
    )
