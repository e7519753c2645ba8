"""The command `preview`, which adds previews to training data."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lookahead_ray.cli.app import print_line
from lookahead_ray.cli.csv_options import CsvDelimiter, CsvEncoding, CsvQuotes
from lookahead_ray.entrypoints import errors

app = typer.Typer()


class Strategy(StrEnum):
    """Kinds of preview in the instruction: the answer's first tokens, or a fixed phrase."""

    true = "true"
    virtual = "virtual"


class Fidelity(StrEnum):
    """`paper` reproduces the published code with its quirks; `fixed` corrects the quirks."""

    fixed = "fixed"
    paper = "paper"


class TurnChoice(StrEnum):
    """Answers of a chat with several turns."""

    last = "last"
    all = "all"


class RowFormat(StrEnum):
    """File formats of training data."""

    json = "json"
    jsonl = "jsonl"


@app.command()
def preview(
    source: Annotated[
        str,
        typer.Argument(
            metavar="IN", help="Training data: .json, .jsonl, .csv, .tsv, .parquet; also at a URL."
        ),
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Output file, with previews.")],
    strategy: Annotated[
        Strategy, typer.Option("--strategy", help="Show the answer's first tokens, or a fixed phrase.")
    ],
    length: Annotated[
        int | None, typer.Option("--length", metavar="TOKENS", help="Tokens to show (true). [6]")
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option("--tokenizer", metavar="MODEL", help="Directory, hub name, or embedded (true)."),
    ] = None,
    prefix: Annotated[
        str | None,
        typer.Option("--prefix", metavar="TEXT", help="The phrase (virtual). ['Let's solve this problem. ']"),
    ] = None,
    connector: Annotated[
        str | None,
        typer.Option("--connector", metavar="TEXT", help="Text before it. [' The answer begins with: ']"),
    ] = None,
    fields: Annotated[
        str | None,
        typer.Option(
            "--fields",
            metavar="NAMES",
            help="Names of the fields: instruction=input,answer=output. [as each row's layout says]",
        ),
    ] = None,
    turns: Annotated[
        TurnChoice, typer.Option("--turns", help="Which answers of a chat get a preview.")
    ] = TurnChoice.last,
    protocol: Annotated[
        Fidelity,
        typer.Option("--protocol", help="paper: as published; fixed: never shows part of a number (true)."),
    ] = Fidelity.fixed,
    input_format: Annotated[
        RowFormat | None, typer.Option("--input-format", help="Format of IN; overrides its suffix.")
    ] = None,
    output_format: Annotated[
        RowFormat | None, typer.Option("--output-format", help="Format of OUT; overrides its suffix.")
    ] = None,
    delimiter: CsvDelimiter = None,
    encoding: CsvEncoding = None,
    quotes: CsvQuotes = None,
) -> None:
    """Add LookAhead previews to training data; nothing is trained."""
    with errors.exit_on_error():
        from lookahead_ray.entrypoints.csv_options import csv_format
        from lookahead_ray.entrypoints.preview import preview_file

        done = preview_file(
            source,
            target,
            strategy.value,
            length=length,
            tokenizer=tokenizer,
            prefix=prefix,
            connector=connector,
            protocol=protocol.value,
            turns=turns.value,
            fields=fields,
            source_format=input_format.value if input_format else None,
            target_format=output_format.value if output_format else None,
            csv_format=csv_format(delimiter, encoding, quotes),
        )
        for line in done.splitlines():
            print_line(line)
