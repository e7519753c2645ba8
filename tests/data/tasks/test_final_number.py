"""The metric: the number in which an answer ends; no text can break it."""

import time

import pytest

from lookahead_ray.data.tasks.final_number import exact_match, extract_number, marked_number
from lookahead_ray.errors import DataError


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("She has 3 + 4 = 7 apples.\n#### 7", "7"),
        ("#### 5.0", "5"),
        ("#### 5.", "5"),
        ("####5", "5"),
        ("#### 007", "7"),
        ("#### 0.50", "0.5"),
        ("#### .5", "0.5"),
        ("#### -12", "-12"),
        ("#### -0.0", "0"),
        ("#### \N{MINUS SIGN}3", "-3"),
        ("#### $1,234.50", "1234.5"),
        ("#### -$5", "-5"),
        ("#### 25%", "25"),
        ("#### 5\nUser: And 6 more?", "5"),
        ("#### 4\nNo:\n#### 9", "9"),
        ("4 + 4 = 8.\n####", "8"),
        ("#### 5 apples", "5"),
        ("#### about seven, not 8", "8"),
        ("So the answer is 1,234.", "1234"),
        ("It costs $18.00.", "18"),
        ("The number 3, then 4, then 5.", "5"),
        ("1,2,3", "3"),
        ("10-7", "7"),
        ("10 - 7", "7"),
        ("It is -7", "-7"),
        ("a total of 12,500,000 people", "12500000"),
        ("only .25 is left", "0.25"),
        ("version 1.2.3", "3"),
    ],
)
def test_extract_number(text: str, number: str) -> None:
    assert extract_number(text) == number


@pytest.mark.parametrize(
    "text",
    ["", " \n", "no idea", "####", "#### ", "#### seven", "$,.%-", "\u0665\uff15\u00b2\u2167", "...", "#"],
)
def test_no_number(text: str) -> None:
    assert extract_number(text) is None
    assert exact_match(text, "#### 5") is None


def test_marked_number_wants_the_marker() -> None:
    assert marked_number("7") is None
    assert marked_number("#### 5 apples") is None
    assert marked_number("x #### 7 ") == "7"


def test_exact_match() -> None:
    assert exact_match("That makes 5.0.", "#### 5") == 1.0
    assert exact_match("#### 1,000", "#### 1000") == 1.0
    assert exact_match("#### 6", "5 + 1 = 6\n#### 5") == 0.0
    assert exact_match("#### -5", "#### 5") == 0.0


def test_exact_match_refuses_a_reference_without_number() -> None:
    with pytest.raises(DataError, match=r"^exact_match: reference: must hold a number, got 'none\\n'$"):
        exact_match("5", "none\n")


def test_numerals_of_any_length_keep_every_digit() -> None:
    long = "1" * 100_000
    assert extract_number(f"#### {long}") == long
    assert exact_match(long + "1", f"#### {long}") == 0.0
    assert exact_match(f"0{long}.000", f"#### {long}") == 1.0
    assert extract_number("9" * 400 + ".5") == "9" * 400 + ".5"
    assert exact_match("#### 9007199254740993", "#### 9007199254740992") == 0.0  # equal as floats


@pytest.mark.parametrize(
    "unit", ["1", "1,", "1,234,", "123,", "1.", "-", "$", "-$", ".", "#", "####", "#### 1\n", "0", "\n", "%"]
)
def test_time_is_linear_in_the_length(unit: str) -> None:
    text = unit * (200_000 // len(unit)) + "5x"
    start = time.perf_counter()
    extract_number(text)
    assert time.perf_counter() - start < 2.0  # milliseconds; a quadratic pattern takes minutes
