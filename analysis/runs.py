"""One or many runs as SQL views and Arrow tables, each row with the run that it is from.

Only trials that were committed whole are seen, so a sweep may go on meanwhile. Runs of an earlier schema
version are read too: columns and tables that it didn't have are null and empty.
"""

import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import duckdb
import pyarrow as pa

from analysis.views import create_views
from lookahead_ray.errors import LookaheadRayError, StoreError
from lookahead_ray.store.commits import Commit, read_commits
from lookahead_ray.store.files import Files
from lookahead_ray.store.identity import FILE, read_identity
from lookahead_ray.store.lock import FILE as LOCK
from lookahead_ray.store.schemas import SCHEMA_VERSION, TableName

READABLE = (2, SCHEMA_VERSION)
"""Schema versions whose columns mean the same; what version 2 lacked is null."""

THREADS = 2


class QueryError(LookaheadRayError):
    """A query breaks SQL or what is allowed; one line."""


@dataclass(frozen=True)
class OpenRun:
    """A run as it was when opened: `name` is what its rows carry in the column `run`."""

    name: str
    run: str
    files: Files
    commits: tuple[Commit, ...]
    running: bool


@dataclass(frozen=True)
class Runs:
    """Several runs behind one DuckDB connection that has a view for each table. `open_runs` makes one."""

    runs: tuple[OpenRun, ...]
    connection: duckdb.DuckDBPyConnection

    def table(self, name: TableName, columns: Sequence[str] = (), where: str = "") -> pa.Table:
        """Rows of a table, in the order of runs and commits: the column `run`, then `columns` (default: all).

        `where` is SQL of our own, never a user's.
        """
        wanted = ", ".join(("run", *columns)) if columns else "*"
        return self.sql(f"SELECT {wanted} FROM {name}" + (f" WHERE {where}" if where else ""))  # noqa: S608

    def sql(self, query: str, limit: int | None = None) -> pa.Table:
        """The result of a query, at most `limit` rows of it.

        `StoreError` naming the file if one is damaged, `QueryError` for all else that goes wrong.
        """
        try:
            found = self.connection.sql(query)
            if found is None:
                raise QueryError("query: must give rows, got a statement without any")
            return (found if limit is None else found.limit(limit)).to_arrow_table()
        except duckdb.Error as error:
            if isinstance(error, (duckdb.IOException, duckdb.InvalidInputException)):
                self._name_the_damaged()
            reason = str(error).split("\n\nLINE ")[0]
            raise QueryError(f"query: {' '.join(reason.split())}") from error

    def _name_the_damaged(self) -> None:
        """`StoreError` naming the first file that cannot be read, if there is one."""
        from lookahead_ray.store.reader import Run

        for one in self.runs:
            identity = read_identity(one.files, READABLE)
            assert identity is not None
            for commit in one.commits:
                if commit.schema_version == SCHEMA_VERSION:
                    for table in commit.files:
                        Run(one.files, identity, (commit,)).table(table)


def open_runs(runs: Sequence[str]) -> Runs:
    """Open `runs`, paths or fsspec URLs.

    `StoreError` naming the file if one is no run, is of an unknown schema version, or has a committed file
    that is missing or cut short; or if a run is given twice.
    """
    if not runs:
        raise StoreError("must be given at least one run, got none")
    opened = tuple(_open(run, name) for run, name in zip(runs, run_names(runs), strict=True))
    connection = duckdb.connect(config={"threads": THREADS, "python_enable_replacements": False})
    create_views(connection, [(one.name, one.files, one.commits) for one in opened])
    return Runs(opened, connection)


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


def is_running(files: Files) -> bool:
    """Whether a driver holds the run's lock, on a local disk; elsewhere no locks are. Writes nothing."""
    if not files.local:
        return False
    try:
        descriptor = os.open(files.path(LOCK), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)  # lets go of it, too
    return False


def _open(run: str, name: str) -> OpenRun:
    files = Files(run)
    if read_identity(files, READABLE) is None:
        raise StoreError(f"{run}: must be the directory of a run, got no {FILE} in it")
    return OpenRun(name, run, files, read_commits(files, READABLE), is_running(files))
