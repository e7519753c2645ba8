"""Dimensions: syntax, names, and refusals."""

from typing import Any

import pytest

from lookahead_ray.config.dimension import Choice, Dimension, Range, Value, corners, dimensions, substitute
from lookahead_ray.errors import ConfigError

CONDITIONAL: dict[str, Any] = {
    "seed": 3,
    "preview": {
        "choice": [
            {"strategy": "true", "length_tokens": {"int": [1, 12]}},
            {"strategy": "virtual", "prefix": {"choice": ["So, ", "Well, "]}},
            {"strategy": "none"},
        ]
    },
    "training": {"learning_rate": {"loguniform": [1e-5, 1e-3]}, "weight_decay": {"uniform": [0, 0.5]}},
}


def low(dimension: Dimension) -> Value:
    """Return the low end or the first option."""
    return dimension.labels[0] if isinstance(dimension, Choice) else dimension.low


def test_names_and_order_follow_the_file() -> None:
    assert list(dimensions(CONDITIONAL)) == [
        Choice("preview", ("true", "virtual", "none"), tuple(CONDITIONAL["preview"]["choice"])),
        Range("preview.true.length_tokens", "int", 1, 12),
        Choice("preview.virtual.prefix", ("So, ", "Well, "), ("So, ", "Well, ")),
        Range("training.learning_rate", "loguniform", 1e-5, 1e-3),
        Range("training.weight_decay", "uniform", 0, 0.5),
    ]


def test_a_tree_without_dimensions_stays_as_it_is() -> None:
    tree = {"a": {"b": 1}, "int": 2, "c": [1, {"int": [1, 2]}], "d": {"choice": [1], "e": 2}}
    assert list(dimensions(tree)) == []
    assert substitute(tree, low) == tree
    assert list(corners(tree)) == [tree]


def test_substitute_samples_only_dimensions_of_the_chosen_option() -> None:
    asked: list[str] = []

    def suggest(dimension: Dimension) -> Value:
        asked.append(dimension.name)
        return "virtual" if dimension.name == "preview" else low(dimension)

    assert substitute(CONDITIONAL, suggest) == {
        "seed": 3,
        "preview": {"strategy": "virtual", "prefix": "So, "},
        "training": {"learning_rate": 1e-5, "weight_decay": 0},
    }
    assert asked == [
        "preview",
        "preview.virtual.prefix",
        "training.learning_rate",
        "training.weight_decay",
    ]
    assert CONDITIONAL["preview"]["choice"][1]["prefix"] == {"choice": ["So, ", "Well, "]}


def test_a_suggestion_that_is_no_option_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"must be one of \['a', 1\], got True"):
        substitute({"x": {"choice": ["a", 1]}}, lambda _: True)  # True == 1, but is no option


def test_corners_show_every_option_and_both_ends_of_every_range() -> None:
    trees = list(corners(CONDITIONAL))
    previews = [tree["preview"] for tree in trees]
    for expected in (
        {"strategy": "true", "length_tokens": 1},
        {"strategy": "true", "length_tokens": 12},
        {"strategy": "virtual", "prefix": "So, "},
        {"strategy": "virtual", "prefix": "Well, "},
        {"strategy": "none"},
    ):
        assert expected in previews
    assert {tree["training"]["learning_rate"] for tree in trees} == {1e-5, 1e-3}
    assert {tree["training"]["weight_decay"] for tree in trees} == {0, 0.5}
    assert len({repr(tree) for tree in trees}) == len(trees)
    assert all(not list(dimensions(tree)) for tree in trees)


@pytest.mark.parametrize(
    ("body", "labels"),
    [
        (["a", 2, 2.5, None, False], ("a", 2, 2.5, None, False)),
        ([{"strategy": True}, {"strategy": "none"}], ("true", "none")),
        ([{"name": "tpe"}, {"other": 1}], ("tpe", "1")),
        ([[1, 2], [3, 4]], ("0", "1")),
        ([{"strategy": "true", "m": 1}, {"strategy": "true", "m": 2}], ("0", "1")),  # tags don't tell apart
    ],
)
def test_labels(body: list[Any], labels: tuple[Value, ...]) -> None:
    (found,) = dimensions({"x": {"choice": body}})
    assert isinstance(found, Choice)
    assert found.labels == labels
    assert [found.option(label) for label in labels] == body


@pytest.mark.parametrize(
    ("dimension", "middle"),
    [
        (Range("x", "int", 1, 12), 6),
        (Range("x", "uniform", 0.0, 0.5), 0.25),
        (Range("x", "loguniform", 1e-5, 1e-3), pytest.approx(1e-4)),
    ],
)
def test_the_middle_of_a_range(dimension: Range, middle: float) -> None:
    assert dimension.middle == middle
    assert isinstance(dimension.middle, int) == (dimension.kind == "int")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"int": [1, 2.5]}, "int needs two whole numbers [low, high], got [1, 2.5]"),
        ({"int": [False, True]}, "int needs two whole numbers [low, high], got [False, True]"),
        ({"int": 3}, "int needs two whole numbers [low, high], got 3"),
        ({"uniform": [1]}, "uniform needs two numbers [low, high], got [1]"),
        ({"uniform": ["0", "1"]}, "uniform needs two numbers [low, high], got ['0', '1']"),
        ({"uniform": [0, float("inf")]}, "uniform needs finite numbers, got [0, inf]"),
        ({"uniform": [float("nan"), 1]}, "uniform needs finite numbers, got [nan, 1]"),
        ({"int": [3, 3]}, "empty search range, low must be below high, got [3, 3]"),
        ({"uniform": [2, 1]}, "empty search range, low must be below high, got [2, 1]"),
        ({"loguniform": [0, 1]}, "loguniform needs numbers above 0, got [0, 1]"),
        ({"choice": []}, "empty search range, choice needs a list of options, got []"),
        ({"choice": "ab"}, "empty search range, choice needs a list of options, got 'ab'"),
        ({"choice": ["a", "b", "a"]}, "options of a choice must differ, got 'a' twice"),
    ],
)
def test_a_malformed_dimension_is_refused(written: dict[str, Any], message: str) -> None:
    for read in (lambda tree: list(dimensions(tree)), lambda tree: substitute(tree, low)):
        with pytest.raises(ConfigError) as caught:
            read({"a": {"b": written}})
        assert str(caught.value) == f"a.b: {message}"


def test_a_malformed_dimension_inside_an_option_is_named_by_its_path() -> None:
    tree = {"preview": {"choice": [{"strategy": "true", "length_tokens": {"int": [5, 1]}}]}}
    with pytest.raises(ConfigError, match=r"^preview\.true\.length_tokens: empty search range"):
        list(dimensions(tree))


def test_a_space_is_more_than_one_dimension() -> None:
    with pytest.raises(ConfigError, match="a space can't be one dimension"):
        list(dimensions({"int": [1, 2]}))


def test_dimensions_describe_themselves() -> None:
    assert [str(dimension) for dimension in dimensions(CONDITIONAL)] == [
        "preview: one of 'true', 'virtual', 'none'",
        "preview.true.length_tokens: int from 1 to 12",
        "preview.virtual.prefix: one of 'So, ', 'Well, '",
        "training.learning_rate: loguniform from 1e-05 to 0.001",
        "training.weight_decay: uniform from 0 to 0.5",
    ]
