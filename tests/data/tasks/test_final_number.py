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
    ("text", "number"),
    [
        ("#### 31\n\nQuestion: Bo has 4 hats. How many?\n4\n#### 4", "31"),
        ("#### 31 kg\n\nQ: And 9 more?\nA: #### 40", "31"),
        ("#### 31\nTom buys 2 more. How many has he now?\n31 + 2 = 33\n#### 33", "31"),
        ("#### 31\nWait, I made a mistake.\n#### 32", "32"),
        ("The answer is 31.\n\nProblem: Bo has 4 and 5 hats.\nAnswer: 9", "31"),
        ("Question: Bo has 4 hats.\nAnswer: 31", "31"),
        ("It is 31.\n<|im_start|>user\nAnd 5 more?", "31"),
    ],
)
def test_a_model_that_goes_on_with_another_question(text: str, number: str) -> None:
    assert extract_number(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("#### 31 kg, 20 kg on Monday and 11 on Tuesday", "31"),
        ("#### 20 + 11 = 31 kg in 2 days", "31"),
        ("#### The answer is $31.00 per day", "31"),
        ("#### **31**", "31"),
        ("#### \\boxed{31}", "31"),
        ("#### 31 (after 2 days)", "31"),
        ("#### Step 1: take 20\n20 kg\n#### Step 2: add 11\nThat makes 31 kg", "31"),
        ("#### 1. Add\n20 + 11 = 31", "31"),
        ("They sold 31 kg altogether, 20 kg on Monday and 11 on Tuesday.", "31"),
        ("20 kg on Monday and 11 on Tuesday, for a total of 31 kg in 2 days.", "31"),
        ("So 20 + 11 = 31 kg in 2 days.", "31"),
        ("x = 3, so 2x is 6.", "6"),
        ("That is 31 kg (20 + 11).", "31"),
        ("So it is 31, as shown in step 2.", "31"),
        ("It is 31 by equations 2 and 3", "31"),
        ("1. Take 20 and 11.\n2. That is 31.\n3. Done.", "31"),
        ("31. That's it.", "31"),
        ("On the 3rd day there are 31", "31"),
        ("There are 31 on the 3rd day", "31"),
        ("He came 5th.", "5"),
        ("**Answer:** 31 kg in 2 days", "31"),
        ("Answer:\n31", "31"),
        ("The answer to question 4 is 31.", "31"),
        ("= 31.", "31"),
        ("5 + 6 = <<5+6=11>>11", "11"),
    ],
)
def test_units_steps_and_sentences(text: str, number: str) -> None:
    assert extract_number(text) == number


@pytest.mark.parametrize("text", ["Step 2", "See steps 1 and 2.", "problem 7"])
def test_a_step_is_no_answer(text: str) -> None:
    assert extract_number(text) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("$\\boxed{\\frac{1}{2}}$", "0.5"),
        ("\\boxed{\\$1{,}250}", "1250"),
        ("\\boxed{31\\text{ kg in 2 days}}", "31"),
        ("\\boxed{20} kg, \\boxed{x = 31} in all", "31"),
        ("\\(31\\)", "31"),
        ("31\\%", "31"),
        ("3/4 of it", "0.75"),
        ("#### 2 1/2", "2.5"),
        ("#### 2/6", "1/3"),
        ("#### -7/2", "-3.5"),
        ("about 12\u202f500 people", "12500"),
        ("12'500 francs", "12500"),
        ("#### 12 500", "12500"),
        ("it costs \u20ac31.50", "31.5"),
    ],
)
def test_notations(text: str, number: str) -> None:
    assert extract_number(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("#### 1.234,50", "1234.5"),
        ("#### 31,5", "31.5"),
        ("#### 1.234", "1234"),
        ("#### 3.5", "3.5"),
        ("#### 0.125", "0.125"),
        ("#### 1,234,567", "1234567"),
        ("#### -3,5 \u20ac", "-3.5"),
        ("Es sind 12 500 Euro.", "12500"),
        ("1,5 und 2,5 ergeben 4,0", "4"),
    ],
)
def test_decimal_commas_by_option(text: str, number: str) -> None:
    assert extract_number(text, decimal_comma=True) == number
    assert exact_match(text, f"#### {number.replace('.', ',')}", decimal_comma=True) == 1.0


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
    "unit",
    [
        *(
            "1",
            "1,",
            "1,234,",
            "123,",
            "1.",
            "-",
            "$",
            "-$",
            ".",
            "#",
            "####",
            "#### 1\n",
            "0",
            "\n",
            "%",
            "1/",
        ),
        *("1 ", "1'", "\\boxed{", "answer is ", "1 1/2 ", "step 1 ", "\n1. a", "(1", "= 1", "q: \n", "<<"),
    ],
)
def test_time_is_linear_in_the_length(unit: str) -> None:
    text = unit * (40_000 // len(unit)) + "5x"
    start = time.perf_counter()
    extract_number(text)
    assert time.perf_counter() - start < 2.0  # 0.2 s at most; a quadratic pattern takes many times as long
