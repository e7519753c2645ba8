"""The command `lookahead-ray`: parses first, imports what a command needs inside it."""

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lookahead_ray.cli import guard, spaces
from lookahead_ray.text import visible

# Markup, tracebacks and completion by rich would cost more time than all the rest of --help.
app = typer.Typer(
    help="Fine-tune a chat model without losing its safety, and search the trade-off.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


class Format(StrEnum):
    """File formats that tables are exported to."""

    csv = "csv"
    parquet = "parquet"
    arrow = "arrow"


class Strategy(StrEnum):
    """What the instruction shows: the answer's first tokens, or a fixed phrase."""

    true = "true"
    virtual = "virtual"


class Protocol(StrEnum):
    """`paper` does as the published code does, quirks included; `fixed` mends them."""

    fixed = "fixed"
    paper = "paper"


class RowFormat(StrEnum):
    """File formats of training data."""

    json = "json"
    jsonl = "jsonl"


Space = Annotated[
    str, typer.Argument(metavar="SPACE", help="A YAML file, or a name in tuning_spaces/ such as quickstart.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Replace a value of the YAML file; may be repeated."),
]
RunDirectory = Annotated[
    str | None, typer.Option("--run", metavar="DIR", help="Directory or URL of the tables. [runs/<name>]")
]


@app.callback(invoke_without_command=True)
def _app(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from lookahead_ray import __version__

        print(f"lookahead-ray {__version__}")
        raise typer.Exit()


@app.command()
def sweep(
    space: Space,
    run: RunDirectory = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run's committed trials.")] = False,
    overrides: Overrides = None,
) -> None:
    """Search a tuning space and recommend a configuration."""
    with guard.guarded():
        from lookahead_ray.cli.sweeping import sweep_and_report

        sweep_and_report(spaces.find(space), space, run, resume, overrides or [])


@app.command()
def validate(space: Space, overrides: Overrides = None) -> None:
    """Check a tuning space, its data and its model; trains nothing.

    Gated or unreachable data of the hub, and cores that this machine lacks, are listed as missing.
    """
    with guard.guarded():
        from lookahead_ray.config.load import load_sweep

        loaded = load_sweep(spaces.find(space), overrides or [])
        from lookahead_ray.sweep.preflight import check  # heavy: a bad file is refused before

        found = check(loaded, strict=False)
        for line in found.lines:
            _print(line)
        for line in found.missing:
            _print(f"missing {line}")
        _print("ok")


@app.command()
def train(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A YAML file, or a name in tuning_spaces/, of one trial.")
    ],
    output: Annotated[
        Path,
        typer.Option("--output", metavar="DIR", help="Where the model goes: new, or an empty directory."),
    ],
    adapter: Annotated[
        bool, typer.Option("--adapter", help="Write the LoRA adapter alone, not merged into the weights.")
    ] = False,
    run: Annotated[
        str | None,
        typer.Option(
            "--run", metavar="DIR", help="Directory or URL of the tables. [runs/train-<name>-<hash>]"
        ),
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Train one configuration and write the model, with a card that says how it measured."""
    with guard.guarded():
        from lookahead_ray.cli.training import train_and_report

        train_and_report(spaces.find(config), config, output, adapter, run, overrides or [], _teller())


@app.command()
def align(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the adapter and its figures go.")
    ] = Path("runs/align"),
    overrides: Overrides = None,
) -> None:
    """Train the adapter that makes the seed model refuse."""
    with guard.guarded():
        from lookahead_ray import chatter
        from lookahead_ray.align.run import align as run_align

        tell = _teller()
        with chatter.into(out / "align.log"):
            run_align(out, overrides or [], tell)


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Directory, hub name, or embedded.")],
    space: Annotated[
        str | None,
        typer.Option(
            "--space", metavar="SPACE", help="Tuning space that says what is measured. [quickstart]"
        ),
    ] = None,
    suite: Annotated[
        list[str] | None,
        typer.Option("--suite", metavar="NAME[=PATH]", help="Safety suite, by its file; may be repeated."),
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task", metavar="NAME[=PATH]", help="Task, by its file of test rows.")
    ] = None,
    judge: Annotated[
        list[str] | None,
        typer.Option(
            "--judge", metavar="'NAME [FIELD=VALUE ...]'", help="Judge of safety answers; may be repeated."
        ),
    ] = None,
    run: RunDirectory = None,
    overrides: Overrides = None,
) -> None:
    """Measure a model's safety and utility; trains nothing.

    With --suite, --task or --judge and without --space, no YAML file is read: what is not given has its
    default, the whole of the suite probe and the task word_problems.
    """
    with guard.guarded():
        from lookahead_ray.cli.evaluating import evaluate_and_report
        from lookahead_ray.cli.measures import assignments

        chosen = assignments(suite or [], task, judge or [])
        path = None if chosen and space is None else spaces.find(space or "quickstart")
        evaluate_and_report(model, path, chosen, run, overrides or [], _teller())


@app.command()
def tables(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Directory or URL of a sweep's tables.")],
    format: Annotated[
        Format | None, typer.Option("--format", help="Export all tables; without it the report is printed.")
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="DIR", help="Where exported files go. [RUN/export]")
    ] = None,
) -> None:
    """Print a run's report again, or export its tables."""
    with guard.guarded():
        from lookahead_ray.cli.tables import export, show

        if format is None:
            show(run)
        else:
            export(run, format.value, out)


JudgeName = Annotated[
    str, typer.Option("--judge", metavar="NAME", help="keyword, refusal, llm or classifier.")
]
JudgeFields = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Set a field of the judge; may be repeated."),
]


@app.command()
def rejudge(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Directory or URL of a run's tables.")],
    judge: JudgeName,
    overrides: JudgeFields = None,
) -> None:
    """Score a run's stored answers again, by another judge; trains nothing."""
    with guard.guarded():
        from lookahead_ray.cli.rejudging import rejudge_and_report

        rejudge_and_report(run, judge, overrides or [], _print)


@app.command()
def judge_agreement(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV file of labelled answers.")],
    judge: JudgeName,
    overrides: JudgeFields = None,
    prompt: Annotated[str, typer.Option(help="Column of the prompts.")] = "prompt",
    answer: Annotated[str, typer.Option(help="Column of the answers.")] = "completion",
    label: Annotated[str, typer.Option(help="Column of people's labels.")] = "final_label",
    safe: Annotated[
        list[str] | None, typer.Option(help="A label that means refusal. [2_full_refusal]")
    ] = None,
    unsafe: Annotated[
        list[str] | None, typer.Option(help="A label that means compliance. [1_full_compliance]")
    ] = None,
) -> None:
    """Measure how far a judge agrees with people's labels."""
    with guard.guarded():
        from lookahead_ray.cli.agreeing import Columns, measure_and_report

        chosen = {"safe": tuple(safe or ()), "unsafe": tuple(unsafe or ())}
        columns = Columns(prompt, answer, label, **{name: found for name, found in chosen.items() if found})
        measure_and_report(file, judge, columns, overrides or [], _print)


@app.command()
def preview(
    source: Annotated[Path, typer.Argument(metavar="IN", help="Training data, .json or .jsonl.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Where it goes with previews in it.")],
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
        typer.Option("--connector", metavar="TEXT", help="What precedes it. [' The answer begins with: ']"),
    ] = None,
    fields: Annotated[
        str | None,
        typer.Option(
            "--fields", metavar="NAMES", help="Names of the fields. [instruction=input,answer=output]"
        ),
    ] = None,
    protocol: Annotated[
        Protocol,
        typer.Option("--protocol", help="As published, or without showing parts of numbers (true)."),
    ] = Protocol.fixed,
    input_format: Annotated[
        RowFormat | None, typer.Option("--input-format", help="Of IN, whatever its suffix.")
    ] = None,
    output_format: Annotated[
        RowFormat | None, typer.Option("--output-format", help="Of OUT, whatever its suffix.")
    ] = None,
) -> None:
    """Write training data with LookAhead previews in it; trains nothing."""
    with guard.guarded():
        from lookahead_ray.cli.previewing import preview_file

        done = preview_file(
            source,
            target,
            strategy.value,
            length=length,
            tokenizer=tokenizer,
            prefix=prefix,
            connector=connector,
            protocol=protocol.value,
            fields=fields,
            source_format=input_format.value if input_format else None,
            target_format=output_format.value if output_format else None,
        )
        _print(done)


def main() -> None:
    """Entry point of the console script."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal without Unicode shows ? instead of an error
    app(prog_name="lookahead-ray")


def _print(line: str) -> None:
    _teller()(line)


def _teller() -> Callable[[str], None]:
    """Prints lines on what stdout is now, even while libraries' prints are sent elsewhere."""
    stream = sys.stdout
    return lambda line: print(visible(line), file=stream, flush=True)


if __name__ == "__main__":
    main()
