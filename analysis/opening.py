"""Opening of one run: its commits, their schema versions, and whether a sweep is running."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from lookahead_ray.errors import StoreError
from lookahead_ray.store.commits import Commit, read_commits
from lookahead_ray.store.files import Files
from lookahead_ray.store.identity import IDENTITY_FILE, SweepIdentity, read_identity
from lookahead_ray.store.lock import holder_of
from lookahead_ray.store.schemas import SCHEMA_VERSION

READABLE = (2, SCHEMA_VERSION)
"""Schema versions whose columns have the same meaning; columns missing in version 2 are null."""


@dataclass(frozen=True)
class OpenRun:
    """A run at the time when it was opened; `name` is the value of the column `run`."""

    name: str
    run: str
    files: Files
    identity: SweepIdentity
    commits: tuple[Commit, ...]
    running: bool | None  # result of `is_running`


def open_run(run: str, name: str) -> OpenRun:
    """Read the run's identity and commits. Raises `StoreError` as `open_runs` does."""
    files = Files(run)
    identity = read_identity(files, READABLE)
    if identity is None:
        raise StoreError(f"{run}: must be the directory of a run, got no {IDENTITY_FILE} in it")
    return OpenRun(name, run, files, identity, read_commits(files, READABLE), is_running(files))


def run_names(runs: Sequence[str]) -> tuple[str, ...]:
    """Return a name for each run: the shortest end of its path that distinguishes all runs."""
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
    """Return whether a driver holds the run's lock; None if that is unknown. Writes and locks nothing."""
    if not files.local:
        return None
    try:
        return holder_of(files) is not None
    except StoreError:
        return None
