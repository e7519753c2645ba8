"""`python -m analysis COMMAND …`: reports, tables, figures, comparisons and SQL queries on runs.

Exit codes: 2, with one line on stderr, for errors that the user can correct; 1 for all others.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from lookahead_ray.cli.typer_app import plain_app, replace_unencodable
from lookahead_ray.entrypoints.errors import exit_on_error, print_to_stderr

app = plain_app("Analyse one or several sweeps from their tables, also while they run.")

RunPaths = Annotated[list[str], typer.Argument(metavar="RUN…", help="Directories or URLs of runs.")]
Format = Annotated[
    Literal["table", "csv", "json", "markdown"], typer.Option("--format", help="Of the output.")
]
TABLE_ROWS = 100


@app.command()
def report(
    runs: RunPaths,
    out: Annotated[Path, typer.Option("--out", help="The HTML file to write.")] = Path("report.html"),
) -> None:
    """Write a report on the runs as one self-contained HTML file."""
    with exit_on_error():
        from analysis.report import write_report

        write_report(runs, out)


@app.command()
def paper(
    runs: RunPaths,
    table: Annotated[int | None, typer.Option(min=1, max=2, help="Table 1 (rates) or 2 (FLOPs).")] = None,
    figure: Annotated[
        int | None, typer.Option(min=3, max=5, help="Figure 3 (KL), 4 (preview length) or 5 (prefixes).")
    ] = None,
    form: Annotated[
        str, typer.Option("--format", metavar="png|svg|pdf|latex|csv|markdown", help="Of the output.")
    ] = "markdown",
    out: Annotated[Path | None, typer.Option("--out", help="The file to write. [text: stdout]")] = None,
    trials: Annotated[
        list[str] | None,
        typer.Option("--trial", metavar="ID", help="Show this trial; may be repeated. [all]"),
    ] = None,
) -> None:
    """Write one of the paper's tables or figures, with 95 % intervals."""
    with exit_on_error():
        from analysis.paper.write import table_text, write_figure, write_text
        from lookahead_ray.errors import LookaheadRayError

        if (table is None) == (figure is None):
            raise LookaheadRayError("paper: must be given either --table or --figure")
        if table is not None:
            text: str | None = table_text(runs, table, form, trials or ())
        else:
            assert figure is not None
            text = write_figure(runs, figure, form, out, trials or ())
        if text is not None:
            write_text(text, out)


@app.command()
def compare(
    runs: RunPaths,
    form: Format = "table",
    out: Annotated[
        Path | None, typer.Option("--out", help="The file for all tests, as csv unless --format says else.")
    ] = None,
) -> None:
    """Compare sweeps: paired tests against vanilla, corrected, and replication over random seeds.

    As a table, prints the significant differences and the number of the others. As csv, json or markdown,
    prints all tests, with all numbers in full.
    """
    with exit_on_error():
        from analysis.compare import compare as compared
        from analysis.compare.show import show_comparison
        from analysis.paper.write import write_text
        from analysis.show import TEXTS, show

        made = compared(runs)
        if out is not None:
            write_text(TEXTS["csv" if form == "table" else form](made.tests), out)
        if form == "table":
            show_comparison(made)
        elif out is None:
            show(made.tests, form)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT, in DuckDB's dialect.")],
    runs: RunPaths,
    form: Format = "table",
    limit: Annotated[
        int | None, typer.Option(min=1, help=f"Rows at most. [{TABLE_ROWS} as a table, else all]")
    ] = None,
) -> None:
    """Run an SQL query on the tables trials, steps, signals, generations, token_kl, verdicts.

    `schema` prints their fields.
    """
    with exit_on_error():
        from analysis.query import query as ask
        from analysis.show import show

        most = TABLE_ROWS if limit is None and form == "table" else limit
        found = ask(sql, runs, None if most is None else most + 1)
        show(found.slice(0, most), form)
        if most is not None and found.num_rows > most:
            print_to_stderr(f"more than {most} rows; see --limit, or --format csv")


@app.command()
def schema(form: Format = "table") -> None:
    """Print every table and field with its type, unit and meaning."""
    with exit_on_error():
        from analysis.schema import schema as fields
        from analysis.show import show

        show(fields(), form, widest=1000)


if __name__ == "__main__":
    replace_unencodable()
    app(prog_name="python -m analysis")
