"""Files that a driver writes next to its tables for `status` and `logs`: its session, and copies of files."""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

from lookahead_ray import store
from lookahead_ray.config.load import Sweep
from lookahead_ray.errors import StoreError
from lookahead_ray.filesystem import EXIT_S, is_url, limit_retries
from lookahead_ray.sweep.run_files import FILES, local_run_file
from lookahead_ray.sweep.search.references import REFERENCE_COUNT
from lookahead_ray.trial.record import utc_now

JOB = "LOOKAHEAD_RAY_JOB"
"""Environment variable with the submission id of the driver's job; `submit` sets it."""


@dataclass
class Ending:
    """End of a session without an exception; `interrupted` is set inside the `with` block."""

    interrupted: bool = False


@contextmanager
def session(hold: store.Hold, sweep: Sweep) -> Iterator[Ending]:
    """Record in `<run>/session.json` that a driver is running, and at the end of the block how it ended.

    A driver that has lost its run writes nothing at the end. Raises `StoreError` if the file can't be written
    at the beginning. At the end nothing is raised, because such a failure would then have larger consequences
    than a missing session.
    """
    begun = store.Session(
        started_at=utc_now(),
        process=f"process {os.getpid()} on {socket.gethostname()}",
        job=os.environ.get(JOB),
        trials=REFERENCE_COUNT + sweep.search.trials,
        search=sweep.search.model_dump(mode="json"),
    )
    store.write_session(hold, begun)
    ending = Ending()
    how: store.How = "failed"
    try:
        yield ending
        how = "interrupted" if ending.interrupted else "finished"
    except KeyboardInterrupt:
        how = "interrupted"
        raise
    finally:
        limit_retries(EXIT_S)
        with suppress(StoreError):
            store.write_session(hold, replace(begun, ended_at=utc_now(), how=how))
            copy_to_run(hold, sweep.name, FILES)


def copy_to_run(hold: store.Hold, name: str, files: Sequence[str]) -> None:
    """Copy local files (see `local_run_file`) to a run at a URL, because a job's machine may be removed.

    An earlier session's recommendation is removed there if there is none any more.

    Raises:
        StoreError: the file system fails, or the run is lost to another driver.
    """
    from lookahead_ray.sweep.recommend.recommended_yaml import RECOMMENDED_FILE

    if not is_url(hold.run):
        return
    for file in files:
        path = local_run_file(hold.run, file, name)
        if path.is_file():
            hold.keep(file, path.read_bytes())
        elif file == RECOMMENDED_FILE:
            hold.files.remove(file)
