"""Opening one run: what is committed, in which schema version, and whether a sweep is at work."""

import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from lookahead_ray.errors import StoreError
from lookahead_ray.store.commits import Commit, read_commits
from lookahead_ray.store.files import Files
from lookahead_ray.store.identity import FILE, SweepIdentity, read_identity
from lookahead_ray.store.lock import FILE as LOCK
from lookahead_ray.store.schemas import SCHEMA_VERSION

READABLE = (2, SCHEMA_VERSION)
"""Schema versions whose columns mean the same; what version 2 lacked is null."""


@dataclass(frozen=True)
class OpenRun:
    """A run as it was when opened: `name` is what its rows carry in the column `run`."""

    name: str
    run: str
    files: Files
    identity: SweepIdentity
    commits: tuple[Commit, ...]
    running: bool | None  # as `is_running`


def open_run(run: str, name: str) -> OpenRun:
    """Read who the run is and what is committed; `StoreError` as `open_runs` says."""
    files = Files(run)
    identity = read_identity(files, READABLE)
    if identity is None:
        raise StoreError(f"{run}: must be the directory of a run, got no {FILE} in it")
    return OpenRun(name, run, files, identity, read_commits(files, READABLE), is_running(files))


def run_names(runs: Sequence[str]) -> tuple[str, ...]:
    """A name for each run: the last parts of its path, as few as tell all of them apart."""
    paths = [PurePosixPath(os.path.normpath(run) if "://" not in run else run.rstrip("/")) for run in runs]
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise StoreError(f"{twice}: must be given once, got it twice")
    for parts in range(1, max(len(path.parts) for path in paths)):
        names = tuple("/".join(path.parts[-parts:]) for path in paths)
        if len(set(names)) == len(names):
            return names
    return tuple(map(str, paths))


def is_running(files: Files) -> bool | None:
    """Whether a driver holds the run's lock; None where that can't be told. Writes nothing."""
    if not files.local:
        return None
    try:
        descriptor = os.open(files.path(LOCK), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(descriptor)  # lets go of it, too
    return False
