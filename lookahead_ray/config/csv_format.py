"""Format of text tables: the character between cells, and the encoding."""

import codecs
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from lookahead_ray.config.base import Config

TABS = ("tab", "\\t")


def _written_tab(value: object) -> object:
    return "\t" if value in TABS else value


def _checked_delimiter(text: str) -> str:
    if len(text) != 1 or text in '"\r\n':
        raise ValueError(f"must be one character, or tab, and neither a quote nor a line break, got {text!r}")
    return text


def _checked_encoding(name: str) -> str:
    try:
        "".encode(name)
    except LookupError as error:
        raise ValueError(f"must be an encoding that Python knows, such as cp1252, got {name!r}") from error
    return codecs.lookup(name).name


def is_found(form: "CsvFormat") -> bool:
    """Return whether nothing is given, so that configurations without the field have the same content."""
    return form == CsvFormat()


class CsvFormat(Config):
    """Format of CSV and TSV files; what is null is found in the file, and `validate` says what it is."""

    delimiter: Annotated[str, BeforeValidator(_written_tab), AfterValidator(_checked_delimiter)] | None = None
    """Character between cells, such as `;` or `tab`; null finds comma, semicolon, tab or `|`."""

    encoding: Annotated[str, AfterValidator(_checked_encoding)] | None = Field(None, min_length=1)
    """Encoding, such as `cp1252` or `utf-16`; null reads UTF-8, UTF-16, and Windows-1252 where the text is
    plausible in it."""

    quotes: bool | None = Field(None, exclude_if=lambda value: value is None)
    """Whether quotes around a cell are no part of it, so that it can hold line breaks; false reads quotes as
    text. Null does that in files with tabs where it alone gives each line as many cells as the header."""
