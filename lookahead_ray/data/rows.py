"""Records of data files and hub data sets, with messages that give their location."""

from collections.abc import Mapping
from dataclasses import dataclass

from lookahead_ray.errors import DataError


@dataclass(frozen=True, slots=True)
class Row:
    """A record's fields by name; `where` is "FILE: line N", or "FILE: row N" without lines, from 1."""

    where: str
    fields: Mapping[str, object]

    def text(self, field: str) -> str:
        """Return the field's text verbatim. Raises DataError if missing, no string, blank or no Unicode."""
        value = self._value(field)
        if not isinstance(value, str) or not value.strip():
            raise DataError(
                f"{self.where}: field {field} must be a string that is not blank, got {quote(value)}"
            )
        return self._unicode(field, value)

    def text_or_number(self, field: str) -> str:
        """Return `text`, except that a whole number gives its digits and blank is valid; for users' files."""
        value = self._value(field)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            raise DataError(
                f"{self.where}: field {field} must be a string or whole number, got {quote(value)}"
            )
        return self._unicode(field, value)

    def text_or_none(self, field: str) -> str | None:
        """Return `text`, or None if the value is null or blank. The field itself must be present."""
        value = self._value(field)
        blank = value is None or (isinstance(value, str) and not value.strip())
        return None if blank else self.text(field)

    def text_if_given(self, field: str) -> str | None:
        """Return `text`, or None if the field is missing or null."""
        return None if self.fields.get(field) is None else self.text(field)

    def _value(self, field: str) -> object:
        if field not in self.fields:
            known = quote(sorted(self.fields, key=str))
            raise DataError(f"{self.where}: field {field} must be present, got fields {known}")
        return self.fields[field]

    def _unicode(self, field: str, value: str) -> str:
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            rule = f"field {field} must have no lone surrogate"
            raise DataError(f"{self.where}: {rule}, got {quote(value)}") from error
        return value


def quote(value: object, tail: bool = False, limit: int = 80) -> str:
    """Return the repr of `value` for a message, cut to its first (or last) `limit` characters."""
    text = repr(value)
    if len(text) <= limit:
        return text
    return f"…{text[-limit:]}" if tail else f"{text[:limit]}…"
