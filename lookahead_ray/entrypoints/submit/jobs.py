"""Wrapper of Ray's job server: errors are one line, and logs are followed across lost connections."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from lookahead_ray.entrypoints.submit.address import VARIABLE
from lookahead_ray.errors import ConfigError, TrialError
from lookahead_ray.presentation.format import first_line

RUN = "lookahead_ray_run"
"""Key in a job's metadata for its run."""
ENDED = ("SUCCEEDED", "STOPPED", "FAILED")
RETRIES, RETRY_S = 5, 3.0


class Client(Protocol):
    """The part of `ray.job_submission.JobSubmissionClient` that is used."""

    def submit_job(
        self, *, entrypoint: str, submission_id: str, runtime_env: dict[str, Any], metadata: dict[str, str]
    ) -> str: ...

    def list_jobs(self) -> Sequence[Any]: ...

    def get_job_info(self, job_id: str) -> Any: ...

    def get_job_logs(self, job_id: str) -> str: ...

    def stop_job(self, job_id: str) -> bool: ...

    def tail_job_logs(self, job_id: str) -> AsyncIterator[str]: ...


def connect(address: str) -> Client:
    """Return Ray's client for the job server at `address`.

    Raises `ConfigError` if no server answers or it refuses.
    """
    from ray.job_submission import JobSubmissionClient

    logging.disable(logging.INFO)  # Ray logs each package and each connection
    os.environ[VARIABLE] = address  # Ray prefers this and RAY_ADDRESS to its argument
    with one_line_errors(f"{address}: a Ray cluster's job server can't be used there"):
        client: Client = JobSubmissionClient(address)
    return client


class Jobs:
    """The jobs of one job server."""

    def __init__(self, client: Client, retry_s: float = RETRY_S) -> None:
        self._client = client
        self._retry_s = retry_s

    def submit(self, job: str, entrypoint: str, run: str, runtime_env: dict[str, Any]) -> None:
        """Upload the working directory and start the job. Raises `ConfigError` if the server refuses it."""
        with one_line_errors("the job was not accepted"):
            self._client.submit_job(
                entrypoint=entrypoint, submission_id=job, runtime_env=runtime_env, metadata={RUN: run}
            )

    def find(self, job_or_run: str) -> str:
        """Return the submission id: the argument itself, or that of the last job of the run.

        Raises:
            ConfigError: no job has this submission id or this run.
        """
        with one_line_errors("the jobs can't be listed"):
            jobs = [job for job in self._client.list_jobs() if job.submission_id]
        if any(job.submission_id == job_or_run for job in jobs):
            return job_or_run
        matching = [job for job in jobs if (job.metadata or {}).get(RUN) == job_or_run.rstrip("/")]
        if not matching:
            raise ConfigError(
                f"{job_or_run}: must be a submission id or the run of a submitted job, got neither"
            )
        last: str = max(matching, key=lambda job: job.start_time or 0).submission_id
        return last

    def status(self, job: str) -> str:
        """Return PENDING, RUNNING, SUCCEEDED, STOPPED or FAILED."""
        with one_line_errors(job):
            info = self._client.get_job_info(job)
        return str(getattr(info.status, "value", info.status))

    def why(self, job: str) -> str:
        """Return the server's message about the job's state, in one line."""
        with one_line_errors(job):
            return first_line(self._client.get_job_info(job).message or "")

    def logs(self, job: str) -> str:
        """Return the job's whole output."""
        with one_line_errors(job):
            return self._client.get_job_logs(job)

    def follow(self, job: str, write: Callable[[str], object]) -> str:
        """Write the job's output until it ends; return its last status.

        After a lost connection, the output continues where it stopped. Raises `ConfigError` if reconnecting
        fails repeatedly.
        """
        seen = failures = 0

        async def tail() -> None:
            nonlocal seen, failures
            at = 0
            async for chunk in self._client.tail_job_logs(job):
                at += len(chunk)
                if at > seen:
                    write(chunk[len(chunk) - (at - seen) :])
                    seen, failures = at, 0

        while True:
            try:
                asyncio.run(tail())
                if (status := self.status(job)) in ENDED:
                    return status
            except Exception as error:
                failures += 1
                if failures > RETRIES:
                    reason = first_line(str(error)) or type(error).__name__
                    raise ConfigError(
                        f"{job}: is still running, but its output can no longer be followed: {reason}"
                    ) from error
            time.sleep(self._retry_s)

    def stop(self, job: str, timeout_s: float) -> str:
        """Stop the job, wait for its end, return its last status. Raises `TrialError` after `timeout_s`."""
        with one_line_errors(job):
            self._client.stop_job(job)
        deadline = time.monotonic() + timeout_s
        while (status := self.status(job)) not in ENDED:
            if time.monotonic() > deadline:
                raise TrialError(f"{job}: did not stop: it still runs after {timeout_s:g} s")
            time.sleep(self._retry_s)
        return status


@contextmanager
def one_line_errors(what: str) -> Iterator[None]:
    """Convert any exception of Ray's client to a `ConfigError` of one line."""
    try:
        yield
    except Exception as error:
        raise ConfigError(f"{what}: {first_line(str(error)) or type(error).__name__}") from error
