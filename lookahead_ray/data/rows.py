"""Records of data files and hub data sets, with messages that give their location.

A field is a column's name, or a path into nested values: `messages.0.content`, also written
`messages[0][content]`; a negative number counts from the end. A name that contains dots itself comes first.
Numbers, booleans and dates become text: `true`, `2.5`, and `4.0` as JSON writes it; NaN is null.
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache

from lookahead_ray.errors import DataError

_BRACKETS = re.compile(r"\[\s*['\"]?([^\[\]]*?)['\"]?\s*\]")
_INDEX = re.compile(r"-?\d+")


@dataclass(frozen=True, slots=True)
class Row:
    """A record's fields by name; `where` is "FILE: line N", or "FILE: row N" without lines, from 1."""

    where: str
    fields: Mapping[str, object]

    def has(self, field: str) -> bool:
        """Return whether the row has the field, or the place that the path leads to."""
        return self._find(field)[0]

    def value(self, field: str) -> object:
        """Return the field's value; None if the row has no such field."""
        return self._find(field)[1]

    def text(self, field: str) -> str:
        """Return the field's text verbatim. Raises DataError if missing, no string, blank or no Unicode."""
        value = self._value(field)
        if not isinstance(value, str) or not value.strip():
            raise DataError(
                f"{self.where}: field {field} must be a string that is not blank, got {quote(value)}"
            )
        return self._unicode(field, value)

    def text_or_number(self, field: str) -> str:
        """Return the field as text, also a number, a boolean or a date; blank is valid, null is blank.

        Raises DataError if missing, a list, a mapping or no Unicode.
        """
        value = self._value(field)
        if isinstance(value, str):
            return self._unicode(field, value)
        text = plain_text(value)
        if text is None:
            rule = "must be text, a number, true or false"
            raise DataError(f"{self.where}: field {field} {rule}, got {quote(value)}")
        return text

    def text_or_none(self, field: str) -> str | None:
        """Return `text`, or None if the value is null or blank. The field itself must be present."""
        return None if is_blank(self._value(field)) else self.text(field)

    def text_if_given(self, field: str) -> str | None:
        """Return `text`, or None if the field is missing, null or empty."""
        return None if plain_text(self.fields.get(field)) == "" else self.text(field)

    def missing(self, field: str) -> DataError:
        """Return the error for a row without the field."""
        known = quote(sorted(self.fields, key=str))
        return DataError(f"{self.where}: field {field} must be present, got fields {known}")

    def _value(self, field: str) -> object:
        found, value = self._find(field)
        if not found:
            raise self.missing(field)
        return value

    def _find(self, field: str) -> tuple[bool, object]:
        if field in self.fields:
            return True, self.fields[field]
        if field != field.strip() or any(name != name.strip() for name in self.fields):
            same = [name for name in self.fields if name.strip() == field.strip()]
            if len(same) == 1:
                return True, self.fields[same[0]]
        return _reach(self.fields, _steps(field))

    def _unicode(self, field: str, value: str) -> str:
        return unicode_text(f"{self.where}: field {field}", value)


OnFault = Callable[[str, DataError], None]
"""Callback for a row that can't be read: takes its location and the error, and raises it or returns."""


def raise_fault(where: str, error: DataError) -> None:
    """Raise the error."""
    raise error


@dataclass(frozen=True, slots=True, repr=False)
class UnreadableValue:
    """A value of a file that can't be converted to Python's types: of what type it is, and why it can't."""

    type: str
    reason: str

    def __repr__(self) -> str:
        return f"<{self.type}: {self.reason}>"


def plain_text(value: object) -> str | None:
    """Return the text of a value from a file, "" for null; None for lists, mappings and bytes."""
    if value is None or (isinstance(value, float | Decimal) and math.isnan(value)):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, Decimal):
        return format(value, "f")  # not "0E-18", as str() writes a zero with 18 digits
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value) if isinstance(value, timedelta) else None


def is_blank(value: object) -> bool:
    """Return whether a value is null, NaN or text of white space."""
    text = plain_text(value)
    return text is not None and not text.strip()


def unicode_text(where: str, text: str) -> str:
    """Return `text`. Raises DataError if it has a lone surrogate, which no tokenizer accepts."""
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise DataError(f"{where} must have no lone surrogate, got {quote(text)}") from error
    return text


def quote(value: object, tail: bool = False, limit: int = 80) -> str:
    """Return the repr of `value` for a message, cut to its first (or last) `limit` characters."""
    text = repr(value)
    if len(text) <= limit:
        return text
    return f"…{text[-limit:]}" if tail else f"{text[:limit]}…"


@lru_cache(maxsize=256)
def _steps(field: str) -> tuple[str, ...]:
    """Return the parts of a path; `a[0][b]` is `a.0.b`."""
    return tuple(_BRACKETS.sub(r".\1", field).split("."))


def _reach(node: object, steps: Sequence[str]) -> tuple[bool, object]:
    """Return whether the path leads somewhere, and the value there."""
    if not steps:
        return True, node
    if isinstance(node, Mapping):
        for count in range(1, len(steps) + 1):  # a name may contain dots
            name = ".".join(steps[:count])
            if name in node and (found := _reach(node[name], steps[count:]))[0]:
                return found
    elif isinstance(node, list | tuple) and _INDEX.fullmatch(steps[0]):
        index = int(steps[0])
        if -len(node) <= index < len(node):
            return _reach(node[index], steps[1:])
    return False, None
