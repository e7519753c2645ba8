"""Commands for sweeps: run one, check or screen a space, print or export a run's tables."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

import typer

from lookahead_ray.cli import space_lookup
from lookahead_ray.cli.app import OWN_PROCESS, Overrides, RunDirectory, Space, print_line, stdout_printer
from lookahead_ray.entrypoints import errors

app = typer.Typer()


class Format(StrEnum):
    """File formats for the export of tables."""

    csv = "csv"
    parquet = "parquet"
    arrow = "arrow"


@app.command()
def sweep(
    space: Space,
    run: RunDirectory = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the run; committed trials are kept.")
    ] = False,
    overrides: Overrides = None,
) -> None:
    """Search a tuning space and recommend a configuration."""
    with errors.exit_on_error():
        from lookahead_ray.entrypoints.sweep import sweep_and_report

        sweep_and_report(space_lookup.find(space), space, run, resume, overrides or [])


@app.command()
def validate(
    context: typer.Context,
    space: Space,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            metavar="FILE",
            help="Check against the maximum size of this cluster file for `ray up`.",
        ),
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Check a tuning space, its data, its model and the machine; nothing is trained.

    Prints the hardware that the sweep would use. More cores or GPUs than this machine or the cluster can
    provide are an error; gated or unreachable hub data is listed as missing.
    """
    with errors.exit_on_error():
        from lookahead_ray.config.load import load_sweep

        loaded = load_sweep(space_lookup.find(space), overrides or [])
        print_line(f"{loaded.source}: checking its data and models …")
        with without_collections():
            if context.obj is OWN_PROCESS:
                from lookahead_ray.model.inspection import import_for_inspection

                import_for_inspection()
            from lookahead_ray.sweep.preflight import check  # slow import, after an invalid file is refused

            found = check(loaded, strict=False)
            from lookahead_ray.sweep.hardware import look_at_hardware

            fitted = look_at_hardware(loaded, cluster)
        for line in found.lines:
            print_line(line)
        for line in fitted.lines:
            print_line(line)
        for line in found.missing:
            print_line(f"missing {line}")
        if fitted.sweep.search.warm_start:
            from lookahead_ray.entrypoints.sweep import read_warm_start

            for line in read_warm_start(fitted.sweep, found.hashes).lines:
                print_line(line)
        print_line("ok")


@contextmanager
def without_collections() -> Iterator[None]:
    """Pause the garbage collector: it takes a sixth of the time in which PyTorch is imported."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@app.command()
def screen(
    space: Space,
    rows: Annotated[int, typer.Option("--rows", min=2, help="Number of training rows.")] = 32,
    tokens: Annotated[int, typer.Option("--tokens", min=1, help="Number of first answer tokens.")] = 4,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="DIR", help="Directory or URL of the table. [runs/screen-<name>]"),
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Rank a space's previews by the seed model's loss of the first answer tokens; nothing is trained."""
    with errors.exit_on_error():
        from lookahead_ray.entrypoints.screen import screen_and_report

        screen_and_report(space_lookup.find(space), overrides or [], rows, tokens, out, stdout_printer())


@app.command()
def tables(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Directory or URL of a sweep's tables.")],
    format: Annotated[
        Format | None,
        typer.Option("--format", help="Export all tables in this format; without it, print the report."),
    ] = None,
    out: Annotated[
        str | None, typer.Option("--out", metavar="DIR", help="Directory of the exported files. [RUN/export]")
    ] = None,
    exact: Annotated[
        bool,
        typer.Option(
            "--exact", help="In CSV, don't put an apostrophe before texts that begin like formulas."
        ),
    ] = False,
) -> None:
    """Print a run's report, or export its tables."""
    with errors.exit_on_error():
        from lookahead_ray.entrypoints.tables import export, show

        if format is None:
            show(run)
        else:
            export(run, format.value, out, exact)
