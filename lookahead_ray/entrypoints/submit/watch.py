"""The commands `status`, `logs` and `stop`."""

import sys
from collections.abc import Callable
from dataclasses import replace

import typer

from lookahead_ray import store
from lookahead_ray.entrypoints import errors
from lookahead_ray.entrypoints.submit.address import job_server
from lookahead_ray.entrypoints.submit.jobs import ENDED, Jobs, connect
from lookahead_ray.entrypoints.submit.submission import Where
from lookahead_ray.entrypoints.submit.submit import STOP_S, Connect, follow
from lookahead_ray.errors import ConfigError, StoreError
from lookahead_ray.presentation.status import Driver, print_status, read_status, status_json
from lookahead_ray.sanitize import visible
from lookahead_ray.sweep.run_files import LOG

MARGIN_S = 30  # time that Ray itself needs to stop a job, beyond the driver's STOP_S


def show_status(
    run: str, as_json: bool, where: Where, print_line: Callable[[str], None], connect: Connect = connect
) -> None:
    """Print the run's status; if a cluster is given, its job server provides the state of the driver."""
    status = read_status(run)
    if where.options:
        with job_server(where.cluster, where.address) as address:
            jobs = Jobs(connect(address))
            job = jobs.find(status.driver.job or run)
            state = jobs.status(job)
        driver = Driver("ended" if state in ENDED else "running", f"job {state.lower()}", job)
        status = replace(status, driver=driver)
    if as_json:
        print(status_json(status))
    else:
        print_status(status, print_line)


def show_logs(
    target: str, following: bool, where: Where, print_line: Callable[[str], None], connect: Connect = connect
) -> None:
    """Print a job's log, or, without a cluster, the log of the run's driver.

    Raises:
        ConfigError: no such job.
        StoreError: the run has no log.
    """
    if not where.options:
        if following:
            raise ConfigError("--follow: needs the cluster of a submitted job, --cluster or --address")
        for line in run_log(target).splitlines():
            print_line(line)
        return
    with job_server(where.cluster, where.address) as address:
        jobs = Jobs(connect(address))
        job = jobs.find(target)
        if following:
            status = follow(jobs, job, where)
            errors.print_to_stderr(f"{job}: {status.lower()}")
            if status not in ("SUCCEEDED", "STOPPED"):
                raise typer.Exit(errors.EXIT_UNKNOWN)
        else:
            sys.stdout.write("\n".join(visible(line) for line in jobs.logs(job).split("\n")))


def run_log(run: str) -> str:
    """Return the log of the run's driver; for a run at a URL it exists only after the driver's end."""
    try:
        return store.kept(run, LOG).decode("utf-8", "replace")
    except StoreError as error:
        raise StoreError(f"{error}; of a submitted job, give --cluster or --address") from error


def stop(target: str, where: Where, print_line: Callable[[str], None], connect: Connect = connect) -> None:
    """Stop a job, or a run's last job, and wait until it has ended.

    Raises:
        ConfigError: no such job.
        TrialError: the job is still running.
    """
    with job_server(where.cluster, where.address) as address:
        jobs = Jobs(connect(address))
        job = jobs.find(target)
        if (status := jobs.status(job)) in ENDED:
            print_line(f"{job}: has already ended: {status.lower()}")
            return
        print_line(f"{job}: stopping; committed trials are kept …")
        status = jobs.stop(job, STOP_S + MARGIN_S)
        print_line(f"{job}: {status.lower()}; to continue, repeat the submit command with --resume")
