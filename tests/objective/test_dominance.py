"""Dominance, fronts and hypervolume."""

import pytest

from lookahead_ray.objective.dominance import dominates, front, hypervolume


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((1.0, 0.0), (0.0, 0.0), True),
        ((1.0, 0.0), (0.0, 1.0), False),
        ((1.0, 1.0), (1.0, 1.0), False),
        ((2.0,), (1.0,), True),
    ],
)
def test_dominance(a: tuple[float, ...], b: tuple[float, ...], expected: bool) -> None:
    assert dominates(a, b) is expected


def test_the_front_has_no_dominated_point_and_no_duplicate() -> None:
    assert front([(0.0, 1.0), (1.0, 0.0), (0.5, 0.5), (0.4, 0.4), (0.5, 0.5)]) == [
        (1.0, 0.0),
        (0.5, 0.5),
        (0.0, 1.0),
    ]


def test_hypervolume_is_the_area_above_the_reference() -> None:
    assert hypervolume([(0.5, 1.0), (1.0, 0.5), (0.5, 0.5)]) == pytest.approx(0.75)
    assert hypervolume([(0.5, -1.0), (-1.0, 2.0)]) == 0.0
    assert hypervolume([(1.0, 1.0)], (0.5, 0.5)) == pytest.approx(0.25)
