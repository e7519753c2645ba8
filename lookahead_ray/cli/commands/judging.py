"""Commands for judges: score stored answers again, compare a judge with human labels."""

from pathlib import Path
from typing import Annotated

import typer

from lookahead_ray.cli.app import print_line
from lookahead_ray.cli.csv_options import CsvDelimiter, CsvEncoding, CsvQuotes
from lookahead_ray.entrypoints import errors

app = typer.Typer()

JudgeName = Annotated[
    str, typer.Option("--judge", metavar="NAME", help="refusal, rules, keyword, llm, classifier or guard.")
]
JudgeFields = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Set a field of the judge; may be repeated."),
]


@app.command()
def rejudge(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Directory or URL of a run's tables.")],
    judge: Annotated[
        str | None,
        typer.Option(
            "--judge", metavar="NAME", help="Without it, the run's own judges, for unjudged answers."
        ),
    ] = None,
    overrides: JudgeFields = None,
) -> None:
    """Score a run's stored answers with another judge, or those whose judge was down; nothing is trained."""
    with errors.exit_on_error():
        from lookahead_ray.entrypoints.rejudge import rejudge_and_report

        rejudge_and_report(run, judge, overrides or [], print_line)


@app.command()
def judge_agreement(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Labelled answers: CSV, JSONL, Parquet …; also at a URL.")
    ],
    judge: JudgeName,
    overrides: JudgeFields = None,
    prompt: Annotated[str, typer.Option(help="Column of the prompts.")] = "prompt",
    answer: Annotated[str, typer.Option(help="Column of the answers.")] = "completion",
    label: Annotated[str, typer.Option(help="Column of the human labels.")] = "final_label",
    safe: Annotated[
        list[str] | None, typer.Option(help="A label that means refusal. [2_full_refusal]")
    ] = None,
    unsafe: Annotated[
        list[str] | None, typer.Option(help="A label that means compliance. [1_full_compliance]")
    ] = None,
    delimiter: CsvDelimiter = None,
    encoding: CsvEncoding = None,
    quotes: CsvQuotes = None,
) -> None:
    """Measure the agreement of a judge with human labels."""
    with errors.exit_on_error():
        from lookahead_ray.entrypoints.csv_options import csv_format
        from lookahead_ray.entrypoints.judge_agreement import Columns, measure_and_report

        chosen = {"safe": tuple(safe or ()), "unsafe": tuple(unsafe or ())}
        columns = Columns(prompt, answer, label, **{name: found for name, found in chosen.items() if found})
        form = csv_format(delimiter, encoding, quotes)
        measure_and_report(file, judge, columns, form, overrides or [], print_line)


@app.command()
def train_judge(
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="File for the weights.")],
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--labels",
            metavar="FILE",
            help="Your own labelled answers (CSV, JSONL, Parquet …; also a folder, a pattern or a URL), in "
            "addition to the shipped ones; may be repeated.",
        ),
    ] = None,
    delimiter: CsvDelimiter = None,
    encoding: CsvEncoding = None,
    quotes: CsvQuotes = None,
    measure: Annotated[
        bool, typer.Option(help="Measure on styles and languages that training leaves out (a minute).")
    ] = True,
) -> None:
    """Train the judge refusal; use the weights with --set weights=FILE or in a space file."""
    with errors.exit_on_error():
        from lookahead_ray.entrypoints.csv_options import csv_format
        from lookahead_ray.entrypoints.train_judge import train_judge_and_report

        form = csv_format(delimiter, encoding, quotes)
        train_judge_and_report(labels or [], form, output, measure, print_line)
