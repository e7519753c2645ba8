"""Training rows against the maximum length: how many are cut, left out or refused (`training.too_long`)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lookahead_ray.config.training import TooLong
from lookahead_ray.data.chat import Rendered
from lookahead_ray.errors import DataError

UNLIMITED = 2**31
"""Maximum length for `render`, to count the tokens of whole rows."""


@dataclass(frozen=True, slots=True)
class RowLengths:
    """Lengths of training rows in tokens, compared with the maximum.

    Attributes:
        rows: number of rows.
        max_length: maximum length.
        longer: rows that are longer.
        without_answer: those of them whose prompt alone fills `max_length`.
        longest: tokens of the longest row.
        longest_prompt: tokens of the longest prompt.
        at_least: whether not all rows that may be longer were counted.
    """

    rows: int
    max_length: int
    longer: int = 0
    without_answer: int = 0
    longest: int = 0
    longest_prompt: int = 0
    at_least: bool = False

    @classmethod
    def of(cls, rows: Sequence[Rendered], max_length: int) -> "RowLengths":
        """Count whole, uncut rows."""
        return cls(
            len(rows),
            max_length,
            sum(row.length > max_length for row in rows),
            sum(len(row.prompt_ids) >= max_length for row in rows),
            max((row.length for row in rows), default=0),
            max((len(row.prompt_ids) for row in rows), default=0),
        )

    def check(self, too_long: TooLong) -> None:
        """Raise if these rows can't be trained on.

        Raises:
            DataError: rows have no room for an answer and are not skipped, all are skipped, or any is longer
                and that is refused.
        """
        if too_long == "refuse" and self.longer:
            raise DataError(
                f"training.max_length: must be at least {self.longest}, the tokens of the longest training "
                f"row ({self._count(self.longer)} rows are too long, and training.too_long is refuse), got "
                f"{self.max_length}"
            )
        if too_long == "cut" and self.without_answer:
            raise DataError(
                "training.max_length: must leave room for an answer, but the prompts of "
                f"{self._count(self.without_answer)} training rows fill it (the longest has "
                f"{self.longest_prompt} tokens), got {self.max_length}; raise it, or leave these rows out "
                "with training.too_long: skip"
            )
        if too_long == "skip" and self.longer == self.rows:
            raise DataError(
                f"training.max_length: must be at least as long as some training rows, but all {self.rows} "
                f"are longer (the longest has {self.longest} tokens) and training.too_long is skip, got "
                f"{self.max_length}"
            )

    def describe(self, too_long: TooLong) -> str | None:
        """Return in words what happens to rows that are too long; None if there are none."""
        if not self.longer:
            return None
        what = "are left out" if too_long == "skip" else "lose the end of their answer"
        return (
            f"{self._count(self.longer)} training rows {what}, as they exceed training.max_length "
            f"{self.max_length} (the longest has {self.longest} tokens)"
        )

    def _count(self, rows: int) -> str:
        return f"{'at least ' if self.at_least else ''}{rows} of {self.rows}"


def fit_rows(rows: Sequence[Rendered], max_length: int, too_long: TooLong) -> list[Rendered]:
    """Return whole rows cut to `max_length` tokens or without the longer ones, as `too_long` says.

    Raises:
        DataError: as `RowLengths.check`.
    """
    RowLengths.of(rows, max_length).check(too_long)
    if too_long == "skip":
        return [row for row in rows if row.length <= max_length]
    return [
        row
        if row.length <= max_length
        else replace(row, answer_ids=row.answer_ids[: max_length - len(row.prompt_ids)])
        for row in rows
    ]
