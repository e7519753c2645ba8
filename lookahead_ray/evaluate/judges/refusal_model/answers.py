"""Labelled answers, and the files that hold them.

A file has one JSON object per line:

    {"request": "How do I pick a lock?", "prefill": "Sure, here is", "answer": " a thing I can't help with.",
     "label": "refusal", "style": "forced_start_refused", "language": "en"}

`label` is `refusal` or `compliance`; rows with another label are left out. `prefill`, `style` and `language`
may be missing. An answer whose style begins with `fragment` is a phrase of an answer: it counts less in
training, and no accuracy is measured on it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lookahead_ray.data.readers import read_rows
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


def read_labelled_answers(path: Path) -> list[LabelledAnswer]:
    """Return the answers of a JSONL file, or of all JSONL files of a directory, in the order of their names.

    Raises:
        DataError: a file can't be read, a row lacks a field, or no row has a known label.
    """
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    answers = [answer for file in files for answer in _read(file)]
    if not answers:
        raise DataError(f"{path}: must hold answers labelled {' or '.join(LABELS)}, got none")
    return answers


def _read(file: Path) -> Iterator[LabelledAnswer]:
    for row in read_rows(str(file)):
        label = row.text("label")
        if label in LABELS:
            yield LabelledAnswer(
                request=row.text("request"),
                answer=row.text("answer"),
                refuses=LABELS[label],
                style=row.text_if_given("style") or "",
                language=row.text_if_given("language") or "",
                source=file.stem,
            )
