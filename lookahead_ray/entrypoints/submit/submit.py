"""The command `submit`: packs the working tree and runs `sweep` on a cluster's head as a Ray job."""

import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import typer

from lookahead_ray.config.load import load_sweep
from lookahead_ray.config.yaml_io import override, read_yaml
from lookahead_ray.entrypoints import errors
from lookahead_ray.entrypoints.session import JOB
from lookahead_ray.entrypoints.submit.address import check_cluster_file, job_server
from lookahead_ray.entrypoints.submit.jobs import Client, Jobs, connect
from lookahead_ray.entrypoints.submit.packing import MIB, Selection, copy, select
from lookahead_ray.entrypoints.submit.referenced_files import named_files
from lookahead_ray.entrypoints.submit.secret_files import secret_in
from lookahead_ray.entrypoints.submit.submission import (
    Submission,
    Where,
    check_run,
    command,
    environment,
    job_name,
)
from lookahead_ray.errors import ConfigError
from lookahead_ray.sanitize import visible

STOP_S = 60
"""Seconds that a stopped driver has for shutdown before it is killed."""
Connect = Callable[[str], Client]


def submit(
    path: Path,
    what: Submission,
    where: Where,
    detach: bool,
    print_line: Callable[[str], None],
    connect: Connect = connect,
) -> None:
    """Check everything, upload, start the job and follow it; exit with 1 if it fails, 130 if it is stopped.

    With `what.dry_run`, print what would be uploaded, and connect to nothing.

    Raises:
        ConfigError: one line; a rule is broken, before anything is uploaded, or the job server refuses.
    """
    inside = path.resolve().is_relative_to(Path.cwd().resolve())
    path = Path(os.path.relpath(path)) if inside else path
    sweep = load_sweep(path, what.overrides)
    check_run(what.run, sweep.name)
    variables = environment(what.env)
    if where.cluster is not None:
        check_cluster_file(Path(where.cluster))
    named, elsewhere = named_files(sweep, override(read_yaml(path), what.overrides))
    job = job_name(sweep.name)
    space = path if inside else Path("submitted") / path.name
    packed = select(Path.cwd(), [*named, *([space] if inside else [])], [Path(name) for name in what.also])
    if not inside and (reason := secret_in(path, Path(path.name))):
        raise ConfigError(f"{path}: is never uploaded to a cluster ({reason})")
    external = [("external", f"{name} (not uploaded; must exist on the cluster)") for name in elsewhere]
    if what.dry_run:
        files = [("upload", f"{name} ({size} bytes)") for name, size in sorted(packed.sizes.items())]
        files += [] if inside else [("upload", f"{space} ({path.stat().st_size} bytes)")]
        _print_lines([*files, *left_out(packed), *external, ("packed", total(packed))], print_line)
        return
    with tempfile.TemporaryDirectory(prefix="lookahead-ray-submit-") as folder:
        copy(Path.cwd(), packed, Path(folder))
        if not inside:
            (Path(folder) / space).parent.mkdir(exist_ok=True)
            (Path(folder) / space).write_bytes(path.read_bytes())
        Path(folder, ".lookahead-ray-job").write_text(job)  # so that jobs don't share a directory on the head
        with job_server(where.cluster, where.address) as address:
            jobs = Jobs(connect(address))
            jobs.submit(
                job,
                f"exec {shlex.join(what.sweep_command(str(space)))}",
                what.run.rstrip("/"),
                {
                    "working_dir": folder,
                    "env_vars": {
                        **variables,
                        JOB: job,
                        "PYTHONUNBUFFERED": "1",
                        "RAY_JOB_STOP_SIGNAL": "SIGINT",  # like Ctrl-C: the driver shuts down cleanly
                        "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_S),
                    },
                },
            )
            lines = [("packed", total(packed)), *left_out(packed), ("job", job), *external]
            lines += [("follow", command("logs", job, "--follow", *where.options))]
            lines += [("stop", command("stop", job, *where.options))]
            lines += [("status", command("status", what.run))]
            _print_lines(lines, print_line)
            if not detach:
                report_end(job, follow(jobs, job, where), what.resume_command(where), jobs)


def total(packed: Selection) -> str:
    """Return number and total size of the files."""
    return f"{len(packed.sizes)} files, {packed.bytes / MIB:.1f} MiB"


def left_out(packed: Selection) -> list[tuple[str, str]]:
    """Return a line for each file that was left out, with the reason."""
    return [("left out", f"{path}: {reason}") for path, reason in sorted(packed.left_out.items())]


def _print_lines(lines: Iterable[tuple[str, str]], print_line: Callable[[str], None]) -> None:
    for name, text in lines:
        print_line(f"{name:<8} {text}")


def follow(jobs: Jobs, job: str, where: Where) -> str:
    """Print the job's output and return its last status. Ctrl-C stops only the following, not the job."""

    def write(text: str) -> None:
        sys.stdout.write("\n".join(visible(line) for line in text.split("\n")))
        sys.stdout.flush()

    stop = command("stop", job, *where.options)
    with errors.exit_on_error(lambda: f"the job continues; stop it with: {stop}"):
        return jobs.follow(job, write)


def report_end(job: str, status: str, again: str, jobs: Jobs) -> None:
    """Print how a followed job ended; exit with the same codes as `sweep`."""
    if status == "STOPPED":
        errors.print_to_stderr(f"stopped: committed trials are kept; continue with: {again}")
        raise typer.Exit(errors.EXIT_INTERRUPTED)
    if status != "SUCCEEDED":
        errors.print_to_stderr(f"error: {job}: {status.lower()}: {jobs.why(job)}")
        raise typer.Exit(errors.EXIT_UNKNOWN)
