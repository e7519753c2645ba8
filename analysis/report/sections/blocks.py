"""Building blocks of a section. All text is plain; the template escapes it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import plotly.graph_objects as go  # type: ignore[import-untyped]
import pyarrow as pa

from analysis.report.text import short

MOST_ROWS = 60
"""Maximum number of rows in the table of numbers under a figure."""


@dataclass(frozen=True)
class Cell:
    """A table's cell: a line, and a line in smaller type below it."""

    text: str
    below: str = ""
    mark: bool = False


@dataclass(frozen=True)
class Grid:
    """A table; the columns in `right` contain numbers."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    right: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Drawing:
    """A figure, its description as text, and its numbers."""

    name: str  # unique within the run
    title: str
    figure: go.Figure
    caption: str
    numbers: Grid
    least_width: int = 0  # pixels; on narrower screens it scrolls horizontally


@dataclass(frozen=True)
class Section:
    """A section of the report; the text `missing` replaces an empty figure or table."""

    name: str
    title: str
    text: Sequence[str] = ()
    drawings: Sequence[Drawing] = ()
    grids: Sequence[Grid] = ()
    missing: str = ""
    code: Sequence[tuple[str, str]] = field(default=())  # title, text


def number(value: Any) -> str:
    """Return a number with four digits, or "–" for None."""
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def share(value: Any) -> str:
    """Return a share in percent with one decimal: "93.8"."""
    return "–" if value is None else f"{100 * value:.1f}"


Shown = Callable[[Any], str]


def numbers_of(table: pa.Table, columns: Mapping[str, tuple[str, Shown]]) -> Grid:
    """Return the table's first `MOST_ROWS` rows; `columns` has each column's heading and format."""
    rows = table.slice(0, MOST_ROWS).to_pylist()
    caption = f"{min(len(table), MOST_ROWS):,} of {len(table):,} rows" if len(table) > MOST_ROWS else ""
    cells = [[Cell(show(row[name])) for name, (_, show) in columns.items()] for row in rows]
    right = frozenset(index for index, (_, show) in enumerate(columns.values()) if show is not words)
    return Grid(caption, [head for head, _ in columns.values()], cells, right)


def words(value: Any) -> str:
    """Return the value as one short visible line."""
    return "–" if value is None else short(str(value), 110)


RATE: dict[str, tuple[str, Shown]] = {
    "value": ("%", share),
    "low": ("low, %", share),
    "high": ("high, %", share),
}
