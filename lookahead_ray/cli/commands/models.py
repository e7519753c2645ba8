"""Commands for single models: train one, evaluate one, align one."""

from pathlib import Path
from typing import Annotated

import typer

from lookahead_ray.cli import space_lookup
from lookahead_ray.cli.app import Overrides, RunDirectory, stdout_printer
from lookahead_ray.entrypoints import errors

app = typer.Typer()

Suites = Annotated[
    list[str] | None,
    typer.Option(
        "--suite", metavar="NAME[=PATH]", help="Safety suite, with its file if any; may be repeated."
    ),
]
Task = Annotated[
    str | None,
    typer.Option("--task", metavar="NAME[=PATH]", help="Task, with its file of test rows if any."),
]
Judges = Annotated[
    list[str] | None,
    typer.Option(
        "--judge", metavar="'NAME [FIELD=VALUE ...]'", help="Judge of safety answers; may be repeated."
    ),
]


@app.command()
def train(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A YAML file, or a name in tuning_spaces/, of one trial.")
    ],
    output: Annotated[
        Path,
        typer.Option("--output", metavar="DIR", help="Directory for the model; must be new or empty."),
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
    push: Annotated[
        str | None,
        typer.Option(
            "--push",
            metavar="OWNER/NAME",
            help="Upload the model and its card to a private repository of the hub; reads HF_TOKEN.",
        ),
    ] = None,
    push_public: Annotated[
        bool, typer.Option("--push-public", help="Upload to a public repository.")
    ] = False,
    push_revision: Annotated[
        str | None,
        typer.Option("--push-revision", metavar="BRANCH", help="Branch of the upload. [main]"),
    ] = None,
    push_message: Annotated[
        str | None, typer.Option("--push-message", metavar="TEXT", help="Message of the upload's commit.")
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Train one configuration and write the model, with a model card of its measurements."""
    with errors.exit_on_error():
        from lookahead_ray.entrypoints.hub_upload import HubTarget
        from lookahead_ray.entrypoints.train import train_and_report
        from lookahead_ray.errors import ConfigError

        if push is None and (push_public or push_revision or push_message):
            raise ConfigError("--push: must be given with the other --push options, got nothing")
        target = HubTarget(push, push_public, push_revision, push_message) if push is not None else None
        train_and_report(
            space_lookup.find(config),
            config,
            output,
            adapter,
            run,
            overrides or [],
            stdout_printer(),
            target,
        )


@app.command()
def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Directory, hub name, or embedded.")],
    space: Annotated[
        str | None,
        typer.Option(
            "--space", metavar="SPACE", help="Tuning space that configures the measurement. [quickstart]"
        ),
    ] = None,
    suite: Suites = None,
    task: Task = None,
    judge: Judges = None,
    run: RunDirectory = None,
    overrides: Overrides = None,
) -> None:
    """Measure a model's safety and utility; nothing is trained.

    With --suite, --task or --judge and without --space, no YAML file is read; the defaults are then the
    whole suite probe and the task word_problems.
    """
    with errors.exit_on_error():
        from lookahead_ray.cli.evaluate_options import assignments
        from lookahead_ray.entrypoints.evaluate import evaluate_and_report

        chosen = assignments(suite or [], task, judge or [])
        path = None if chosen and space is None else space_lookup.find(space or "quickstart")
        evaluate_and_report(model, path, chosen, run, overrides or [], stdout_printer())


@app.command()
def align(
    output: Annotated[
        Path,
        typer.Option("--output", metavar="DIR", help="Directory for the adapter; must be new or empty."),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="Directory, GGUF file, or hub name of a chat model. [embedded-unaligned]",
        ),
    ] = None,
    merged: Annotated[
        bool, typer.Option("--merged", help="Also write the model with the adapter merged in, to DIR/merged.")
    ] = False,
    recoveries: Annotated[
        bool,
        typer.Option(
            "--recoveries/--no-recoveries",
            help="Teach that an answer which has begun harmfully turns into a refusal.",
        ),
    ] = True,
    suite: Suites = None,
    task: Task = None,
    judge: Judges = None,
    run: Annotated[
        str | None,
        typer.Option("--run", metavar="DIR", help="Directory or URL of the tables. [runs/align-<hash>]"),
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Train an adapter with which a chat model refuses harmful requests; measure it before and after.

    Refusals are taught; everything else is kept by the KL divergence to the unaligned model.
    """
    with errors.exit_on_error():
        from lookahead_ray.cli.evaluate_options import assignments
        from lookahead_ray.entrypoints.align import AlignOptions, align_and_report

        chosen = assignments(suite or [], task, judge or [])
        options = {"--suite": suite or [], "--task": [task] if task else [], "--judge": judge or []}
        measures = [word for name, values in options.items() for value in values for word in (name, value)]
        align_and_report(
            AlignOptions(
                output=output,
                model=model,
                merged=merged,
                recoveries=recoveries,
                run=run,
                measures=measures,
                chosen=chosen,
                overrides=overrides or [],
            ),
            stdout_printer(),
        )
