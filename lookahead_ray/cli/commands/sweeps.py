"""Commands for sweeps: run one, check a space, print or export a run's tables."""

from enum import StrEnum
from typing import Annotated

import typer

from lookahead_ray.cli import space_lookup
from lookahead_ray.cli.app import Overrides, RunDirectory, Space, tell
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
    with errors.guarded():
        from lookahead_ray.entrypoints.sweep import sweep_and_report

        sweep_and_report(space_lookup.find(space), space, run, resume, overrides or [])


@app.command()
def validate(
    space: Space,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster", metavar="FILE", help="Check against what this file for `ray up` can grow to."
        ),
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Check a tuning space, its data, its model and the machine; nothing is trained.

    Prints the hardware that the sweep would use. More cores or GPUs than this machine or the cluster can
    provide are an error; gated or unreachable hub data is listed as missing.
    """
    with errors.guarded():
        from lookahead_ray.config.load import load_sweep

        loaded = load_sweep(space_lookup.find(space), overrides or [])
        from lookahead_ray.sweep.preflight import check  # slow import, after an invalid file is refused

        tell(f"{loaded.source}: looking for its data and models …")
        found = check(loaded, strict=False)
        from lookahead_ray.sweep.hardware import look_at_hardware

        fitted = look_at_hardware(loaded, cluster)
        for line in found.lines:
            tell(line)
        for line in fitted.lines:
            tell(line)
        for line in found.missing:
            tell(f"missing {line}")
        from lookahead_ray.entrypoints.sweep import read_earlier

        for line in read_earlier(fitted.sweep, found.hashes).lines:
            tell(line)
        tell("ok")


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
    """Print a run's report, or export its tables."""
    with errors.guarded():
        from lookahead_ray.entrypoints.tables import export, show

        if format is None:
            show(run)
        else:
            export(run, format.value, out)
