"""The utility metric of arithmetic tasks: exact match of the final number.

GSM8K's own scorer accepts only a number that follows "####" (`extract_answer` in
https://github.com/openai/grade-school-math/blob/3101c7d5072418e28b9008a6636bde82a006892c/grade_school_math/dataset.py),
so it scores a right answer in another format as wrong. The published code of LookAhead Tuning is even
stricter (`paper_exact_match`). Under `protocol: fixed` the last number of the text counts if no usable number
follows "####", and numbers are compared, not strings.

Numbers stay strings throughout: a numeral of any length can neither overflow nor lose digits. The patterns
take [0-9] only, so digits of other scripts count as text, and none of them backtracks more than one group.
"""

import re

from lookahead_ray.errors import DataError

MARKER = "####"
"""Marker before the final number of an answer."""

_WHOLE = re.compile(r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_IN_TEXT = re.compile(
    r"(?:(?<![\w.)\]])-)?\$?"  # the minus of "7-5" is an operator, that of " -5" and "-$5" is a sign
    r"(?:(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|(?<![\w.])\.[0-9]+)"
)
_DROPPED = str.maketrans({"$": None, ",": None, "%": None, "\N{MINUS SIGN}": "-"})


def marked_number(text: str) -> str | None:
    """Return the normalised number that is all of the line after the last "####", or None."""
    _, marker, after = text.rpartition(MARKER)
    if not marker:
        return None
    lines = after.strip().splitlines()
    return _parse(lines[0]) if lines else None


def extract_number(text: str) -> str | None:
    """Return the final number of `text`, normalised, or None if it holds no number.

    The line after the last "####" counts if it is a number; else the last number anywhere in the text does.
    Commas, "$", "%" and a trailing full stop are dropped, and "5.0", "05" and "5" are all "5".
    """
    marked = marked_number(text)
    if marked is not None:
        return marked
    numerals = _IN_TEXT.findall(text.replace("\N{MINUS SIGN}", "-"))
    return _parse(numerals[-1]) if numerals else None


def exact_match(prediction: str, reference: str) -> float | None:
    """Score one answer: 1.0 if both texts end in the same number, 0.0 if not, None if `prediction` has none.

    None is no score: callers count such answers as unparsed and keep them in the denominator.
    Raises `DataError` if `reference` holds no number, which is a fault of the data and not of the model.
    """
    expected = extract_number(reference)
    if expected is None:
        raise DataError(f"exact_match: reference: must hold a number, got {reference[:80]!r}")
    found = extract_number(prediction)
    return None if found is None else float(found == expected)


def paper_answer(text: str) -> str | None:
    """Return all text after the last "####", stripped and without commas; None if there is no "####".

    This is the rule of `extract_final_number` in calculate_utility.py of zjunlp/LookAheadTuning at f9730df.
    Any text after the number, such as a unit or a second paragraph, is part of the answer.
    """
    _, marker, after = text.rpartition(MARKER)
    return after.strip().replace(",", "") if marker else None


def paper_exact_match(prediction: str, reference: str) -> float | None:
    """Score one answer under `protocol: paper`: as `exact_match`, but with the strings of `paper_answer`.

    So "#### 5.0" is not "#### 5", and an answer without "####" is unparsed even if it ends in the number; the
    published code counts that as wrong, which is the same share of correct answers.
    """
    expected, found = paper_answer(reference), paper_answer(prediction)
    if not expected:
        raise DataError(f"exact_match: reference: must hold text after {MARKER}, got {reference[:80]!r}")
    return None if found is None else float(found == expected)


def _parse(text: str) -> str | None:
    numeral = text.translate(_DROPPED).strip().removesuffix(".")
    return _normalise(numeral) if _WHOLE.fullmatch(numeral) else None


def _normalise(numeral: str) -> str:
    whole, _, fraction = numeral.removeprefix("-").partition(".")
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    value = f"{whole}.{fraction}" if fraction else whole
    return f"-{value}" if numeral.startswith("-") and value != "0" else value
