"""Options for the format of CSV files, shared by the commands that read one."""

from typing import Annotated

import typer

CsvDelimiter = Annotated[
    str | None, typer.Option("--delimiter", help="Character between cells of CSV files, or tab. [is found]")
]
CsvQuotes = Annotated[
    bool | None,
    typer.Option("--quotes/--no-quotes", help="Whether quotes around cells are no part of them. [is found]"),
]
CsvEncoding = Annotated[
    str | None, typer.Option("--encoding", help="Encoding of CSV files, such as cp1252. [is found]")
]
