"""McNemar's exact test against values calculated by hand."""

from math import comb

import pytest

from lookahead_ray.stats.mcnemar import mcnemar


def pair(both: int, only_a: int, only_b: int, neither: int) -> tuple[dict[str, bool], dict[str, bool]]:
    a = [True] * both + [True] * only_a + [False] * only_b + [False] * neither
    b = [True] * both + [False] * only_a + [True] * only_b + [False] * neither
    return {f"p{i}": x for i, x in enumerate(a)}, {f"p{i}": x for i, x in enumerate(b)}


@pytest.mark.parametrize(
    ("only_a", "only_b", "p_value"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (5, 0, 2 / 2**5),
        (0, 6, 2 / 2**6),
        (8, 1, 2 * (1 + 9) / 2**9),
        (4, 4, 1.0),
        (12, 3, 2 * sum(comb(15, k) for k in range(4)) / 2**15),
    ],
)
def test_by_hand(only_a: int, only_b: int, p_value: float) -> None:
    result = mcnemar(*pair(7, only_a, only_b, 5))
    assert result.p_value == pytest.approx(p_value)
    assert (result.n, result.only_a, result.only_b) == (12 + only_a + only_b, only_a, only_b)
    assert result.difference == pytest.approx((only_a - only_b) / result.n)


def test_the_sides_mirror_each_other() -> None:
    a, b = pair(3, 9, 2, 1)
    assert mcnemar(a, b).p_value == mcnemar(b, a).p_value
    assert mcnemar(a, b).difference == -mcnemar(b, a).difference


def test_prompts_are_matched_by_id_not_by_order() -> None:
    assert mcnemar({"x": True, "y": False}, {"y": False, "x": True}).only_a == 0


@pytest.mark.parametrize(
    ("a", "b", "side"), [({"x": True}, {"x": True, "lost": True}, "a"), ({"lost": True}, {}, "b")]
)
def test_a_missing_prompt_is_named(a: dict[str, bool], b: dict[str, bool], side: str) -> None:
    with pytest.raises(ValueError, match=f"got {side} without lost"):
        mcnemar(a, b)


def test_nothing_to_compare() -> None:
    with pytest.raises(ValueError, match="same prompts"):
        mcnemar({}, {})
