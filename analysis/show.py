"""Arrow tables as text: for a terminal, or as CSV, JSON, Markdown and LaTeX.

Answers and phrases are untrusted: characters that control a terminal are never printed to one.
"""

import csv
import io
import json
import math
import re
import sys
from collections.abc import Callable, Collection
from decimal import Decimal
from typing import Any, Literal

import pyarrow as pa

from lookahead_ray.errors import LookaheadRayError
from lookahead_ray.sanitize import clean
from lookahead_ray.store.export import guarded

WIDEST = 120
PLAIN_WIDTH = 200
LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "−": "$-$",
    "±": r"$\pm$",
    "“": "``",
    "”": "''",
    "–": "--",
    "…": r"\dots{}",
}


def cell(value: Any) -> str:
    """Return a value as readable text on one line: 6 digits, – for null, lists and structs as JSON."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}".replace("-", "−")
    if isinstance(value, (list, dict)):
        return clean(json.dumps(plain(value), ensure_ascii=False, default=str))
    return clean(str(value))


def plain(value: Any) -> Any:
    """Return the value as valid JSON data: NaN and infinities become null, decimals plain numbers.

    A sum of whole numbers is a decimal without places in DuckDB.
    """
    if isinstance(value, Decimal):
        return int(value) if value.as_tuple().exponent == 0 else float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value


def as_csv(table: pa.Table) -> str:
    """Return CSV with a header; null is empty, lists are JSON, texts are `guarded` for spreadsheets."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.column_names)
    for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
        writer.writerow(
            [json.dumps(plain(v), default=str) if isinstance(v, (list, dict)) else _guarded(v) for v in row]
        )
    return out.getvalue()


def _guarded(value: Any) -> Any:
    return guarded(value) if isinstance(value, str) else value


def as_json(table: pa.Table) -> str:
    """Return a JSON list of objects, in ASCII, which is safe on a terminal; NaN and infinities are null."""
    names = table.column_names
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    return json.dumps([dict(zip(names, map(plain, row), strict=True)) for row in rows], default=str) + "\n"


def as_markdown(table: pa.Table) -> str:
    """Return a Markdown table; Markdown and HTML markup in cells is escaped."""
    lines = [table.column_names, ["---"] * table.num_columns, *_rows(table)]
    shown = [[re.sub(r"([\\|`*_<>\[\]])", r"\\\1", one) for one in line] for line in lines]
    shown[1] = lines[1]
    return "".join(f"| {' | '.join(line)} |\n" for line in shown)


def as_latex(table: pa.Table) -> str:
    """Return a LaTeX `tabular` with booktabs rules; first column left-aligned, all others right-aligned."""
    lines = [_latex_row(line) for line in [table.column_names, *_rows(table)]]
    head = rf"\begin{{tabular}}{{l{'r' * (table.num_columns - 1)}}}"
    body = [head, r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule", r"\end{tabular}"]
    return "% needs \\usepackage{booktabs}\n" + "\n".join(body) + "\n"


def _latex_row(cells: list[str]) -> str:
    """Return a row; after the previous one's line break, LaTeX reads `[` and `*` as the break's arguments."""
    row = " & ".join(map(latex, cells)) + r" \\"
    return f"{{}}{row}" if row.startswith(("[", "*")) else row


def latex(text: str) -> str:
    """Return the text escaped for LaTeX."""
    return "".join(LATEX.get(character, character) for character in clean(text))


TEXTS: dict[str, Callable[[pa.Table], str]] = {
    "csv": as_csv,
    "json": as_json,
    "markdown": as_markdown,
    "latex": as_latex,
}


def show(
    table: pa.Table, form: str, widest: int = WIDEST, width: int = PLAIN_WIDTH, numbers: Collection[str] = ()
) -> None:
    """Print the table on stdout: as readable "table" with cells cut to `widest`, or as one of `TEXTS`.

    `width`: number of columns if stdout is not a terminal. `numbers`: text columns aligned like numbers.
    """
    if form != "table":
        if form not in TEXTS:
            raise LookaheadRayError(f"--format: must be one of table, {', '.join(TEXTS)}, got {form!r}")
        text = TEXTS[form](table)
        if sys.stdout.isatty():
            text = "".join(f"{clean(line)}\n" for line in text.splitlines())
        sys.stdout.write(text)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, header_style="bold")
    for field in table.schema:
        kinds = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
        number = any(kind(field.type) for kind in kinds) or field.name in numbers
        justify: Literal["left", "right"] = "right" if number else "left"
        made.add_column(Text(clean(field.name)), justify=justify, overflow="fold", no_wrap=number)
    for row in _rows(table):
        made.add_row(*(Text(one if len(one) <= widest else f"{one[: widest - 1]}…") for one in row))
    console = Console(file=sys.stdout, highlight=False, width=None if sys.stdout.isatty() else width)
    console.print(made)


def _rows(table: pa.Table) -> list[list[str]]:
    columns = [column.to_pylist() for column in table.columns]
    return [[cell(one) for one in row] for row in zip(*columns, strict=True)]
