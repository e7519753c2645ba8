"""All points of a space, conditional dimensions included."""

from itertools import product
from pathlib import Path

import pytest

from lookahead_ray.config.dimension import Choice, Range
from lookahead_ray.errors import ConfigError
from lookahead_ray.sweep.search.grid import MOST_POINTS, all_points, grid_points, values
from tests.sweep.search.searching import CONDITIONAL, load

GRID = ("search.sampler={name: grid, points: {training.learning_rate: 2}}",)
WHOLE = "task: {name: word_problems}\nseed: {int: [1, 3]}\nworkers: {choice: [1, 2]}\n"


def test_the_grid_has_every_combination_of_coexisting_dimensions(tmp_path: Path) -> None:
    points = grid_points(load(tmp_path, CONDITIONAL, GRID))
    previews = [
        {"preview": "none"},
        *({"preview": "true", "preview.true.length_tokens": length} for length in range(1, 13)),
        *({"preview": "virtual", "preview.virtual.prefix": p} for p in ("So, ", "Well, ", "Hm, ")),
    ]
    expected = [
        preview | {"training.learning_rate": rate} for preview, rate in product(previews, (1e-5, 1e-3))
    ]
    assert sorted(map(str, (sorted(point.items()) for point in points))) == sorted(
        map(str, (sorted(point.items()) for point in expected))
    )


def test_the_search_seed_decides_the_order(tmp_path: Path) -> None:
    one, again, other = (
        grid_points(load(tmp_path, CONDITIONAL, (*GRID, f"search.seed={seed}"))) for seed in (1, 1, 2)
    )
    assert one == again
    assert one != other


@pytest.mark.parametrize(
    ("dimension", "count", "expected"),
    [
        (Range("n", "int", 1, 4), None, [1, 2, 3, 4]),
        (Range("n", "int", 1, 12), 3, [1, 6, 12]),
        (Range("n", "int", 1, 2), 5, [1, 2]),
        (Range("x", "uniform", 0.0, 1.0), None, [0.0, 0.5, 1.0]),
        (Range("x", "uniform", 0.0, 1.0), 5, [0.0, 0.25, 0.5, 0.75, 1.0]),
        (Range("x", "loguniform", 1e-5, 1e-3), 3, [1e-5, pytest.approx(1e-4), 1e-3]),
        (Choice("c", ("a", None, True), ("a", None, True)), None, ["a", None, True]),
    ],
)
def test_values_of_a_dimension(dimension: Range | Choice, count: int | None, expected: list[object]) -> None:
    assert values(dimension, count) == expected


def test_ends_of_a_range_are_exact(tmp_path: Path) -> None:
    low, high = 1.1e-5, 2.9e-4
    found = values(Range("x", "loguniform", low, high), 7)
    assert (found[0], found[-1]) == (low, high)


def test_a_finite_space_is_listed_whole_and_one_of_reals_is_not(tmp_path: Path) -> None:
    assert len(all_points(load(tmp_path, WHOLE))) == 6
    assert all_points(load(tmp_path, CONDITIONAL)) == []
    wide = WHOLE.replace("[1, 3]", f"[1, {MOST_POINTS}]")
    assert all_points(load(tmp_path, wide)) == []


def test_a_space_without_dimensions_has_one_point(tmp_path: Path) -> None:
    assert grid_points(load(tmp_path, "task: {name: word_problems}\n")) == [{}]


@pytest.mark.parametrize(
    ("points", "rule"),
    [
        (
            "{speed: 3}",
            "search.sampler.points.speed: must name a range of the space; these are preview.",
        ),
        (
            "{preview: 3}",
            "search.sampler.points.preview: must name a range of the space; these are preview",
        ),
        ("{training.learning_rate: 700}", "search.sampler: a grid may have 10,000 points at most; set fewer"),
    ],
)
def test_spaces_without_a_grid_are_refused(tmp_path: Path, points: str, rule: str) -> None:
    sweep = load(tmp_path, CONDITIONAL, (f"search.sampler={{name: grid, points: {points}}}",))
    with pytest.raises(ConfigError) as caught:
        grid_points(sweep)
    assert str(caught.value).startswith(f"{tmp_path}/space.yaml: {rule}")
