"""Commands for sweeps on a cluster: submit, status, logs, stop."""

from typing import Annotated

import typer

from lookahead_ray.cli import space_lookup
from lookahead_ray.cli.app import Overrides, Space, stdout_printer
from lookahead_ray.entrypoints import errors

app = typer.Typer()

Cluster = Annotated[
    str | None,
    typer.Option(
        "--cluster", metavar="FILE", help="Cluster file for `ray up`; the head is reached over ssh."
    ),
]
Address = Annotated[
    str | None,
    typer.Option("--address", metavar="URL", help="Address of the job server. [$RAY_API_SERVER_ADDRESS]"),
]
JobOrRun = Annotated[
    str, typer.Argument(metavar="JOB|RUN", help="Submission id, or the run of a submitted job.")
]


@app.command()
def submit(
    space: Space,
    cluster: Cluster = None,
    address: Address = None,
    run: Annotated[
        str | None,
        typer.Option(
            "--run", metavar="URL", help="Destination of the tables: a URL, or a path shared by all machines."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the run; committed trials are kept.")
    ] = False,
    overrides: Overrides = None,
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env", metavar="NAME", help="Pass an environment variable to the job; may be repeated."
        ),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Don't print the job's output.")] = False,
    python: Annotated[str, typer.Option("--python", help="Python interpreter on the head node.")] = "python",
    also: Annotated[
        list[str] | None,
        typer.Option(
            "--also", metavar="FILE", help="Upload a file although it looks like a secret; may be repeated."
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="List the files to upload, and those left out; connect to nothing."),
    ] = False,
) -> None:
    """Run a sweep on a cluster as a Ray job; uploads files that git tracks or that the space names."""
    with errors.exit_on_error():
        path = space_lookup.find(space)
        from lookahead_ray.entrypoints.submit.submission import Submission, Where
        from lookahead_ray.entrypoints.submit.submit import submit as submit_job

        what = Submission(space, run or "", resume, overrides or (), env or (), python, also or (), dry_run)
        submit_job(path, what, Where.from_options(cluster, address), detach, stdout_printer())


@app.command()
def status(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Directory or URL of a sweep's tables.")],
    cluster: Cluster = None,
    address: Address = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a sweep's progress, read from its tables; with a cluster, also the state of its job."""
    with errors.exit_on_error():
        from lookahead_ray.entrypoints.submit.submission import Where
        from lookahead_ray.entrypoints.submit.watch import show_status

        show_status(run, json, Where(cluster, address), stdout_printer())


@app.command()
def logs(
    target: JobOrRun,
    cluster: Cluster = None,
    address: Address = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Follow the output until the job ends.")
    ] = False,
) -> None:
    """Print the output of a submitted job, or, without a cluster, the log in the run's directory."""
    with errors.exit_on_error():
        from lookahead_ray.entrypoints.submit.submission import Where
        from lookahead_ray.entrypoints.submit.watch import show_logs

        show_logs(target, follow, Where.from_options(cluster, address), stdout_printer())


@app.command()
def stop(target: JobOrRun, cluster: Cluster = None, address: Address = None) -> None:
    """Stop a submitted job cleanly; committed trials are kept, and --resume continues the sweep."""
    with errors.exit_on_error():
        from lookahead_ray.entrypoints.submit.submission import Where
        from lookahead_ray.entrypoints.submit.watch import stop as stop_job

        stop_job(target, Where.from_options(cluster, address), stdout_printer())
