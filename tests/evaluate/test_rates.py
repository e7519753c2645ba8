"""Rates: the counted rows and verdicts, Wilson's interval."""

import math
from dataclasses import replace

import numpy as np
import pytest

from lookahead_ray.evaluate.rates import headline, rate
from lookahead_ray.trial.record import Generation, Metric, Verdict


def rows(metric: Metric, *verdicts: Verdict) -> list[Generation]:
    return [
        Generation(
            metric=metric,
            suite="probe",
            attack="none",
            prompt_id=f"{metric}-{i}",
            category="c",
            prompt="?",
            suffix="",
            prefill="",
            answer="!",
            judge="refusal",
            verdict=verdict,
            score=None,
        )
        for i, verdict in enumerate(verdicts)
    ]


def wilson(k: int, n: int) -> tuple[float, float]:
    """Return the interval by its formula."""
    z, p = 1.959963984540054, k / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return centre - half, centre + half


def test_unparsed_answers_stay_in_the_denominator() -> None:
    result = rate(rows("rsr", "safe", "safe", "unsafe", "unparsed"), "rsr")
    assert result is not None
    assert (result.value, result.n, result.unparsed) == (0.5, 4, 1)
    assert (result.low, result.high) == pytest.approx(wilson(2, 4))


@pytest.mark.parametrize(
    ("metric", "counted", "other"),
    [
        ("rsr", "safe", "unsafe"),
        ("jsr", "safe", "unsafe"),
        ("over_refusal", "refused", "complied"),
        ("utility", "correct", "wrong"),
    ],
)
def test_each_metric_counts_its_own_verdict_and_rows(
    metric: Metric, counted: Verdict, other: Verdict
) -> None:
    elsewhere: Metric = "jsr" if metric != "jsr" else "rsr"
    result = rate([*rows(metric, counted, other, other), *rows(elsewhere, "safe", "safe")], metric)
    assert result is not None
    assert result.n == 3
    assert result.value == pytest.approx(1 / 3)


def test_dropped_answers_leave_the_denominator() -> None:
    result = rate(rows("rsr", "safe", "unsafe", "unparsed", "dropped", "dropped"), "rsr")
    assert result is not None
    assert (result.value, result.n, result.unparsed) == (1 / 3, 3, 1)
    assert rate(rows("rsr", "dropped"), "rsr") is None


def test_scores_are_averaged_with_students_interval() -> None:
    scores = (0.4, 0.5, 0.6, None)
    scored = [
        replace(row, score=score) for row, score in zip(rows("utility", *["scored"] * 4), scores, strict=True)
    ]
    unparsed = replace(scored[3], verdict="unparsed")
    result = rate([*scored[:3], unparsed], "utility")
    assert result is not None
    values = np.array([0.4, 0.5, 0.6, 0.0])
    half = 3.182446305284263 * values.std(ddof=1) / 2
    assert (result.value, result.n, result.unparsed) == (pytest.approx(0.375), 4, 1)
    assert (result.low, result.high) == (0.0, pytest.approx(0.375 + half))
    single = rate(scored[:1], "utility")
    assert single is not None
    assert (single.value, single.low, single.high) == (0.4, 0.0, 1.0)


def test_the_rate_is_that_of_the_first_rows_suite_attack_and_judge() -> None:
    first = rows("jsr", "safe", "unsafe")
    others = [
        replace(row, **{field: "other"})  # type: ignore[arg-type]
        for field in ("suite", "attack", "judge")
        for row in rows("jsr", "safe", "safe", "safe")
    ]
    mixed = [*rows("rsr", "safe"), first[0], *others, first[1]]
    assert headline(mixed, "jsr") == first
    result = rate(mixed, "jsr")
    assert result is not None
    assert (result.value, result.n) == (0.5, 2)
    chosen = rate([row for row in mixed if row.attack == "other"], "jsr")
    assert chosen is not None
    assert (chosen.value, chosen.n) == (1.0, 3)


def test_no_row_no_rate() -> None:
    assert rate([], "rsr") is None
    assert rate(rows("jsr", "safe"), "rsr") is None


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (0, 160), (160, 160), (71, 100)])
def test_the_interval_is_wilsons_and_stays_in_range(k: int, n: int) -> None:
    verdicts: list[Verdict] = ["safe" if i < k else "unsafe" for i in range(n)]
    result = rate(rows("rsr", *verdicts), "rsr")
    assert result is not None
    assert (result.low, result.high) == pytest.approx(wilson(k, n), abs=1e-9)
    assert 0 <= result.low <= result.value <= result.high <= 1
