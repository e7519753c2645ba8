"""Templates: empty fields leave no gap behind, all other text stays as it is."""

import pytest

from lookahead_ray.data.rows import Row
from lookahead_ray.data.templates import fill
from lookahead_ray.errors import DataError

A = "Do it."


@pytest.mark.parametrize("nothing", [{"b": ""}, {"b": None}, {}, {"b": " \n"}])
@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{a}\n\n{b}", A),
        ("{b}\n\n{a}", A),
        ("{a}\n{b}\nEnd.", f"{A}\nEnd."),
        ("{a}\n\n{b}\n\nEnd.", f"{A}\n\nEnd."),
        ("{a}\n\n{b}\n{b}\n\nEnd.", f"{A}\n\nEnd."),
        ("{a}\n\n{b}\n\n{b}\n\nEnd.\n", f"{A}\n\nEnd.\n"),
        ("{a}\n\n\nInput: {b}\nEnd.", f"{A}\n\n\nInput:\nEnd."),
        ("{a} {b}", A),
        ("{b}{a}", A),
        ("Text: \n{a} {b}\n", f"Text: \n{A}\n"),
    ],
)
def test_an_empty_field_leaves_no_gap(nothing: dict[str, object], template: str, text: str) -> None:
    assert fill(template, Row("f", {"a": A, **nothing})) == text


def test_gaps_of_the_template_and_of_values_stay() -> None:
    row = Row("f", {"a": "x \n\n\n y", "b": "z"})
    assert fill("{a}\n\n\n{b} \n\n", row) == "x \n\n\n y\n\n\nz \n\n"
    assert fill("{a}\n\n{c}", row) == "x \n\n\n y"


def test_paths_and_values() -> None:
    row = Row("f", {"Product name": "Lamp", "m": [{"content": "Hi."}], "n": 4.0, "yes": True})
    assert fill("{Product name}: {m[0][content]} {n} {yes} {{n}}", row) == "Lamp: Hi. 4.0 true {n}"
    with pytest.raises(DataError, match=r"^f: field m must be text, a number, true or false, got"):
        fill("{m}", row)
