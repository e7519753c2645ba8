"""Agreement with people: known values, unparsed answers, and division by zero."""

import math

import pytest

from lookahead_ray.evaluate.judges.agreement import Label, agreement
from lookahead_ray.evaluate.judges.base import JudgeVerdict


def pairs(*counts: tuple[Label, JudgeVerdict, int]) -> list[tuple[Label, JudgeVerdict]]:
    return [(label, verdict) for label, verdict, count in counts for _ in range(count)]


def test_a_textbook_table() -> None:
    """50 answers: 20 and 15 agreed, 5 and 10 not: observed 0.7, by chance 0.5."""
    found = agreement(
        pairs(("safe", "safe", 20), ("safe", "unsafe", 5), ("unsafe", "safe", 10), ("unsafe", "unsafe", 15))
    )
    assert (found.n, found.unparsed) == (50, 0)
    assert found.agreement.value == pytest.approx(0.7)
    assert found.kappa.value == pytest.approx(0.4)
    assert found.precision.value == pytest.approx(2 / 3)
    assert found.recall.value == pytest.approx(0.8)
    for figure in (found.agreement, found.kappa, found.precision, found.recall):
        assert figure.low < figure.value < figure.high
    assert (found.agreement.low, found.agreement.high) == pytest.approx((0.562, 0.809), abs=0.001)
    assert (found.kappa.low, found.kappa.high) == pytest.approx((0.15, 0.64), abs=0.03)


def test_unparsed_answers_count_as_disagreement() -> None:
    rows = pairs(
        ("safe", "safe", 8), ("safe", "unparsed", 2), ("unsafe", "unsafe", 8), ("unsafe", "unparsed", 2)
    )
    found = agreement(rows)
    assert (found.n, found.unparsed) == (20, 4)
    assert (found.agreement.value, found.recall.value, found.precision.value) == (0.8, 0.8, 1.0)
    assert found.kappa.value == pytest.approx((0.8 - 0.4) / 0.6)


def test_the_same_seed_gives_the_same_interval() -> None:
    rows = pairs(("safe", "safe", 20), ("safe", "unsafe", 5), ("unsafe", "unsafe", 15))
    assert agreement(rows, seed=1) == agreement(rows, seed=1) != agreement(rows, seed=2)


def test_undefined_agreement_is_nan() -> None:
    nothing = agreement([])
    assert nothing.n == 0
    assert all(math.isnan(f.value) for f in (nothing.agreement, nothing.kappa, nothing.precision))
    one_class = agreement(pairs(("unsafe", "unsafe", 5)))
    assert one_class.agreement.value == 1.0
    assert math.isnan(one_class.kappa.value)
    assert math.isnan(one_class.recall.value)
