"""GSM8K rows from a local JSONL file or from the hub ("openai/gsm8k", config "main"; Cobbe et al. 2021, MIT).

A sample row of the file, one JSON object a line (other fields are ignored):

    {"question": "Ann had 3 pens and got 4 more. How many has she?", "answer": "3 + 4 = <<3+4=7>>7\\n#### 7"}

Both fields are kept verbatim, calculator annotations included.
"""

import json
from pathlib import Path
from typing import Any, Literal

from lookahead_ray.data.answers import MARKER, marked_number
from lookahead_ray.data.example import SYSTEM_PROMPT, Example
from lookahead_ray.errors import DataError

HUB_NAME = "openai/gsm8k"
HUB_CONFIG = "main"


def load(path: Path | str | None, split: Literal["train", "test"]) -> list[Example]:
    """Return every row of the file at `path`, or of the hub's `split` if `path` is None, in stored order.

    A local file has no splits of its own, so `split` does not matter to it. Raises `DataError` if the hub
    cannot be reached and holds no cached copy, or for a row that breaks a rule (see `read_jsonl`).
    """
    return _read_hub(split) if path is None else read_jsonl(path)


def read_jsonl(path: Path | str) -> list[Example]:
    """Return all rows of a local JSONL file, in file order.

    Raises `DataError`, naming the file, the line (counted from 1), the field and the value, for: a missing or
    empty file, a line that is no JSON object, a question or answer that is missing, no string, blank or not
    valid Unicode, and an answer whose end is not "#### N".
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: path: must be an existing file, got {_what_is_at(path)}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: path: must be readable, got {error.strerror}") from error
    if not content.strip():
        raise DataError(f"{path}: path: must hold at least one row, got {len(content)} bytes")
    # Split at b"\n" alone: str.splitlines would also cut at U+2028, which JSON allows inside a string.
    lines = content.removesuffix(b"\n").split(b"\n")
    places = [f"{path}: line {number}" for number in range(1, len(lines) + 1)]
    return [_example(_parse(line, where), where) for line, where in zip(lines, places, strict=True)]


def _read_hub(split: str) -> list[Example]:
    source = f"{HUB_NAME}/{HUB_CONFIG}/{split}"
    import datasets  # type: ignore[import-untyped,unused-ignore]  # slow, and most runs never need it

    try:
        rows = datasets.load_dataset(HUB_NAME, HUB_CONFIG, split=split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        rule = "must be on the hub or in its local cache (or set path to a JSONL file)"
        raise DataError(f"{source}: path: {rule}, got {_shown(str(error))}") from error
    return [_example(row, f"{source}: line {number}") for number, row in enumerate(rows, 1)]


def _parse(line: bytes, where: str) -> object:
    try:
        row: object = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # ValueError covers bad JSON, bad UTF-8 and giant integers
        text = line.decode("utf-8", errors="replace")
        raise DataError(f"{where}: must be a JSON object, got {_shown(text)}") from error
    return row


def _example(row: Any, where: str) -> Example:
    if not isinstance(row, dict):
        raise DataError(f"{where}: must be a JSON object, got {_shown(row)}")
    question, answer = _text(row, "question", where), _text(row, "answer", where)
    if marked_number(answer) is None:
        rule = f'field answer must end in "{MARKER} N" with a number N'
        raise DataError(f"{where}: {rule}, got {_shown(answer, tail=True)}")
    return Example(system=SYSTEM_PROMPT, instruction=question, answer=answer)


def _text(row: dict[str, object], field: str, where: str) -> str:
    if field not in row:
        raise DataError(f"{where}: field {field} must be present, got fields {_shown(sorted(row))}")
    value = row[field]
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}: field {field} must be a string that is not blank, got {_shown(value)}")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise DataError(f"{where}: field {field} must have no lone surrogate, got {_shown(value)}")
    return value


def _what_is_at(path: Path) -> str:
    return "a folder" if path.is_dir() else "nothing there"


def _shown(value: object, tail: bool = False, limit: int = 80) -> str:
    """One line for a message: the repr of `value`, cut to its first (or last) characters."""
    text = repr(value)
    if len(text) <= limit:
        return text
    return f"…{text[-limit:]}" if tail else f"{text[:limit]}…"
