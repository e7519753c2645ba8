"""Training rows that exceed the maximum length are cut, left out or refused, and counted."""

import pytest

from lookahead_ray.data.chat import Rendered
from lookahead_ray.data.row_lengths import RowLengths, fit_rows
from lookahead_ray.errors import DataError


def row(prompt: int, answer: int) -> Rendered:
    return Rendered(tuple(range(prompt)), tuple(range(answer)))


ROWS = [row(4, 3), row(4, 6), row(9, 5)]


def test_rows_are_cut_or_left_out() -> None:
    assert [each.length for each in fit_rows(ROWS, 10, "cut")] == [7, 10, 10]
    assert fit_rows(ROWS, 10, "cut")[2] == Rendered(tuple(range(9)), (0,))
    assert [each.length for each in fit_rows(ROWS, 10, "skip")] == [7, 10]
    assert fit_rows(ROWS, 14, "refuse") == ROWS


def test_they_are_counted() -> None:
    found = RowLengths.of(ROWS, 9)
    assert (found.longer, found.without_answer, found.longest, found.longest_prompt) == (2, 1, 14, 9)
    assert found.describe("skip") == (
        "2 of 3 training rows are left out, as they exceed training.max_length 9 (the longest has 14 tokens)"
    )
    assert RowLengths.of(ROWS, 14).describe("cut") is None


@pytest.mark.parametrize(
    ("too_long", "limit", "rule"),
    [
        ("cut", 9, "must leave room for an answer, but the prompts of 1 of 3 training rows fill it"),
        ("refuse", 10, "must be at least 14, the tokens of the longest training row (1 of 3 rows"),
        ("skip", 6, "but all 3 are longer (the longest has 14 tokens)"),
    ],
)
def test_what_can_not_be_trained_on_is_refused(too_long: str, limit: int, rule: str) -> None:
    with pytest.raises(DataError) as caught:
        fit_rows(ROWS, limit, too_long)  # type: ignore[arg-type]
    assert rule in str(caught.value)
    assert str(caught.value).startswith("training.max_length: ")
