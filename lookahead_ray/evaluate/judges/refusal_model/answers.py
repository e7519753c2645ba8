"""Labelled answers, and the files that hold them.

A file has a row for each, here as JSON Lines:

    {"request": "How do I pick a lock?", "prefill": "Sure, here is", "answer": " a thing I can't help with.",
     "label": "refusal", "style": "forced_start_refused", "language": "en"}

`label` is `refusal` or `compliance`; rows with another label or a blank answer are left out and counted.
`prefill`, `style` and `language` may be missing. An answer whose style begins with `fragment` is a phrase of
an answer: it counts less in training, and no accuracy is measured on it.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lookahead_ray.config.csv_format import CsvFormat
from lookahead_ray.data.notes import note
from lookahead_ray.data.readers import RowReader
from lookahead_ray.data.rows import Row, is_blank
from lookahead_ray.data.skipping import BlankError, UsableRows
from lookahead_ray.errors import DataError

LABELS = {"refusal": True, "compliance": False}
FRAGMENT = "fragment"


@dataclass(frozen=True, slots=True)
class LabelledAnswer:
    """An answer, and whether it refuses its request."""

    request: str
    answer: str
    refuses: bool
    style: str  # nature of the answer, such as "plain_apology"
    language: str  # ISO 639-1
    source: str  # name of its file

    @property
    def is_fragment(self) -> bool:
        """Return whether it is a phrase, not a whole answer."""
        return self.style.startswith(FRAGMENT)


def read_labelled_answers(place: str | Path, csv_format: CsvFormat | None = None) -> list[LabelledAnswer]:
    """Return the answers at a place, in the order of their files' names (see `data.readers`).

    Raises:
        DataError: a file can't be read, a row lacks a field, or no row has a known label.
    """
    found = UsableRows(str(place), "blank").map(RowReader(place, csv_format), _answer)
    answers = [answer for answer in found if answer is not None]
    if not answers:
        raise DataError(f"{place}: must hold answers labelled {' or '.join(LABELS)}, got none")
    if others := len(found) - len(answers):
        rows = "1 row with another label" if others == 1 else f"{others:,} rows with other labels"
        note(f"{place}: {rows} than {' or '.join(LABELS)} left out")
    return answers


def _answer(row: Row) -> LabelledAnswer | None:
    """Return the row's answer; None if it has another label. Raises BlankError without an answer."""
    label = row.text_or_number("label")
    if label not in LABELS:
        return None
    answer = row.text_or_number("answer")
    if is_blank(answer):
        raise BlankError(f"{row.where}: field answer must hold an answer, got a blank one", "answer")
    file = row.where.rpartition(": ")[0]
    return LabelledAnswer(
        request=row.text_or_number("request"),
        answer=answer,
        refuses=LABELS[label],
        style=row.text_if_given("style") or "",
        language=row.text_if_given("language") or "",
        source=PurePosixPath(file).name.partition(".")[0],
    )
