"""Ray's job server as these commands use it: errors in one line, logs followed across lost connections."""

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
"""Key of a job's metadata that holds its run."""
ENDED = ("SUCCEEDED", "STOPPED", "FAILED")
RETRIES, RETRY_S = 5, 3.0


class Client(Protocol):
    """What is used of `ray.job_submission.JobSubmissionClient`."""

    def submit_job(
        self, *, entrypoint: str, submission_id: str, runtime_env: dict[str, Any], metadata: dict[str, str]
    ) -> str: ...

    def list_jobs(self) -> Sequence[Any]: ...

    def get_job_info(self, job_id: str) -> Any: ...

    def get_job_logs(self, job_id: str) -> str: ...

    def stop_job(self, job_id: str) -> bool: ...

    def tail_job_logs(self, job_id: str) -> AsyncIterator[str]: ...


def connect(address: str) -> Client:
    """Ray's client for the job server at `address`. `ConfigError` if nobody answers there, or refuses."""
    from ray.job_submission import JobSubmissionClient

    logging.disable(logging.INFO)  # Ray tells of each package and each connection
    os.environ[VARIABLE] = address  # Ray takes this and RAY_ADDRESS before what it is told
    with refusing(f"{address}: a Ray cluster's job server can't be used there"):
        client: Client = JobSubmissionClient(address)
    return client


class Jobs:
    """The jobs of one job server."""

    def __init__(self, client: Client, retry_s: float = RETRY_S) -> None:
        self._client = client
        self._retry_s = retry_s

    def submit(self, job: str, entrypoint: str, run: str, runtime_env: dict[str, Any]) -> None:
        """Upload the working directory and start the job. `ConfigError` if the server refuses it."""
        with refusing("the job was not taken"):
            self._client.submit_job(
                entrypoint=entrypoint, submission_id=job, runtime_env=runtime_env, metadata={RUN: run}
            )

    def find(self, job_or_run: str) -> str:
        """The submission id that it is, or that of the last job of the run that it is.

        Raises:
            ConfigError: no job is called so, and none has this run.
        """
        with refusing("the jobs can't be listed"):
            jobs = [job for job in self._client.list_jobs() if job.submission_id]
        if any(job.submission_id == job_or_run for job in jobs):
            return job_or_run
        told = [job for job in jobs if (job.metadata or {}).get(RUN) == job_or_run.rstrip("/")]
        if not told:
            raise ConfigError(
                f"{job_or_run}: must be a submission id or the run of a submitted job, got neither"
            )
        last: str = max(told, key=lambda job: job.start_time or 0).submission_id
        return last

    def status(self, job: str) -> str:
        """PENDING, RUNNING, SUCCEEDED, STOPPED or FAILED."""
        with refusing(job):
            info = self._client.get_job_info(job)
        return str(getattr(info.status, "value", info.status))

    def why(self, job: str) -> str:
        """What the server says of its state, in one line."""
        with refusing(job):
            return first_line(self._client.get_job_info(job).message or "")

    def logs(self, job: str) -> str:
        """All that it printed."""
        with refusing(job):
            return self._client.get_job_logs(job)

    def follow(self, job: str, write: Callable[[str], object]) -> str:
        """Write what the job prints until it ends; its last status.

        A lost connection is taken up where it was lost; `ConfigError` if that fails again and again.
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
                    raise ConfigError(f"{job}: goes on, but can't be followed any more: {reason}") from error
            time.sleep(self._retry_s)

    def stop(self, job: str, timeout_s: float) -> str:
        """Ask the job to end and wait until it has; its last status. `TrialError` if it takes too long."""
        with refusing(job):
            self._client.stop_job(job)
        deadline = time.monotonic() + timeout_s
        while (status := self.status(job)) not in ENDED:
            if time.monotonic() > deadline:
                raise TrialError(f"{job}: was asked to end, but still runs after {timeout_s:g} s")
            time.sleep(self._retry_s)
        return status


@contextmanager
def refusing(what: str) -> Iterator[None]:
    """Whatever Ray's client raises becomes a `ConfigError` of one line."""
    try:
        yield
    except Exception as error:
        raise ConfigError(f"{what}: {first_line(str(error)) or type(error).__name__}") from error
