"""Numbers in texts of models: their places and normalised values.

Numbers stay strings: a numeral of any length can neither overflow nor lose digits. The patterns take [0-9]
only, so digits of other scripts count as text, and none of them backtracks more than one group.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

_LONGEST_PART = 30  # digits of a numerator or denominator
_CURRENCY = "$\u20ac\u00a3\u00a5\u20b9"
_SIGN = rf"(?:(?<![\w.)\]])-)?[{_CURRENCY}]?"  # the minus of "7-5" is an operator, that of " -5" a sign
_FRACTION = (
    rf"(?:[0-9]{{1,9}}\s+)?[0-9]{{1,{_LONGEST_PART}}}/[1-9][0-9]{{0,{_LONGEST_PART - 1}}}(?![0-9/]|[.,][0-9])"
)
_POINT = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|(?<![\w.])\.[0-9]+"
_COMMA = (
    r"0\.[0-9]+|[0-9]{1,3}(?:,[0-9]{3}){2,}(?![0-9])"  # no other reading is possible
    r"|[0-9]+\.(?:[0-9]{1,2}|[0-9]{4,})(?![0-9]|[.,][0-9])"
    r"|(?:[0-9]{1,3}(?:[. ][0-9]{3})+(?![0-9])|[0-9]+)(?:,[0-9]+)?|(?<![\w,]),[0-9]+"
)
_PATTERNS = {
    comma: re.compile(rf"{_SIGN}(?:(?<![0-9/.]){_FRACTION}|{plain})")
    for comma, plain in ((False, _POINT), (True, _COMMA))
}
_LATEX = (
    (re.compile(r"\\d?t?frac\s?\{([0-9]+)\}\s?\{([0-9]+)\}"), r"\1/\2"),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"(?<=[0-9])\\[,!;: ](?=[0-9]{3})"), ""),
    (re.compile(r"\\(?:text|mathrm|mbox|textbf|mathbf)\s?\{"), " {"),
    (re.compile(r"\\([$%#&_{}])"), r"\1"),
    (re.compile(r"\\\\|\\[()\[\]]"), " "),
)
_CALCULATION = re.compile(r"<<[^<>\n]*>>")  # GSM8K's "<<48/2=24>>24"
_GROUPED = re.compile(r"(?<=[0-9])['\u2019\u00a0\u2009\u202f](?=[0-9]{3}(?![0-9]))")
_BOLD = re.compile(r"\*\*|__|`")
_SIGNS = str.maketrans({"\N{MINUS SIGN}": "-", "\uff0d": "-"})
_ORDINAL = re.compile(r"(?:st|nd|rd|th)\b")
_UNIT = re.compile(rf"[{_CURRENCY}%]")
_SPACED = re.compile(r"-?[0-9]{1,3}(?: [0-9]{3})+")
_WITH_POINT = re.compile(r"0\.[0-9]+|[0-9]+\.(?:[0-9]{1,2}|[0-9]{4,})")


class Numeral(NamedTuple):
    """A number in a text: its normalised value, and the place of its numeral."""

    value: str
    start: int
    end: int


def simplify_numerals(text: str) -> str:
    """Return `text` without markup around numerals: LaTeX, bold, calculations, separators of thousands."""
    text = _BOLD.sub("", _CALCULATION.sub("", text.translate(_SIGNS)))
    if "\\" in text or "{,}" in text:
        for pattern, plain in _LATEX:
            text = pattern.sub(plain, text)
    return _GROUPED.sub("", text)


def numbers(text: str, decimal_comma: bool = False) -> Iterator[Numeral]:
    """Yield the numbers of a plain text in their order, fractions and mixed numbers included."""
    for match in _PATTERNS[decimal_comma].finditer(text):
        yield Numeral(_value(match.group(), decimal_comma), *match.span())


def is_ordinal(text: str, number: Numeral) -> bool:
    """Return whether a number is written as in "2nd"."""
    return _ORDINAL.match(text, number.end) is not None


def whole_number(text: str, decimal_comma: bool = False) -> str | None:
    """Return the value of a text that is one number with at most a currency, "%" and full stop; else None.

    Without `decimal_comma` all commas are separators, wherever they stand.
    """
    numeral = _UNIT.sub("", simplify_numerals(text)).strip().removesuffix(".").removesuffix(",")
    if not decimal_comma:
        numeral = numeral.replace(",", "")
    if _SPACED.fullmatch(numeral):
        numeral = numeral.replace(" ", "")
    match = _PATTERNS[decimal_comma].fullmatch(numeral)
    return _value(numeral, decimal_comma) if match else None


def _value(numeral: str, decimal_comma: bool) -> str:
    negative = numeral.startswith("-")
    numeral = numeral.lstrip("-").strip().lstrip(_CURRENCY)
    if "/" in numeral:
        value = _of_fraction(numeral)
    else:
        value = _normalise(_with_point(numeral) if decimal_comma else numeral.replace(",", ""))
    return f"-{value}" if negative and value != "0" else value


def _with_point(numeral: str) -> str:
    """Return a numeral with a decimal comma as one with a point."""
    if _WITH_POINT.fullmatch(numeral) or numeral.count(",") > 1:
        return numeral.replace(",", "")
    return numeral.replace(".", "").replace(" ", "").replace(",", ".")


def _of_fraction(numeral: str) -> str:
    """Return a fraction's value as a decimal numeral if it has one, else reduced, such as 2/3."""
    *whole, fraction = numeral.split()
    value = Fraction(fraction) + (int(whole[0]) if whole else 0)
    rest, places = value.denominator, 0
    while rest % 10 == 0 or rest % 2 == 0 or rest % 5 == 0:
        rest //= 10 if rest % 10 == 0 else 2 if rest % 2 == 0 else 5
        places += 1
    if rest > 1:
        return f"{value.numerator}/{value.denominator}"
    digits = str(value.numerator * 10**places // value.denominator).zfill(places + 1)
    return _normalise(f"{digits[:-places]}.{digits[-places:]}" if places else digits)


def _normalise(numeral: str) -> str:
    whole, _, fraction = numeral.partition(".")
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    return f"{whole}.{fraction}" if fraction else whole
