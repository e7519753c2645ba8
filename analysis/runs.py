"""One or many runs as SQL views and Arrow tables, with the run of each row.

Only completely committed trials are visible, so a sweep may be running. Runs of an earlier schema version are
read too: its missing columns are null and its missing tables are empty.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from analysis.opening import OpenRun, open_run, run_names
from analysis.views import create_views
from lookahead_ray.errors import LookaheadRayError, StoreError
from lookahead_ray.store.schemas import SCHEMA_VERSION, TableName
from lookahead_ray.store.verdicts import read_verdicts

THREADS = 2
PART_ROWS = 200_000


class QueryError(LookaheadRayError):
    """A query is invalid SQL or not allowed; the message is one line."""


@dataclass(frozen=True)
class Runs:
    """Runs with one DuckDB connection that has a view for each table. Created by `open_runs` and `behind`."""

    runs: tuple[OpenRun, ...]
    connection: duckdb.DuckDBPyConnection

    def table(self, name: TableName, columns: Sequence[str] = (), where: str = "") -> pa.Table:
        """Return a table's `run` and `columns` (default: all), in the order of runs and commits.

        `where` is SQL from this package, never from a user.
        """
        wanted = ", ".join(f'"{one}"' for one in ("run", *columns)) if columns else "*"
        return self.sql(f"SELECT {wanted} FROM {name}" + (f" WHERE {where}" if where else ""))  # noqa: S608

    def only(self, trial_ids: Collection[str]) -> "Runs":
        """Return the same runs with only these trials; the files of other trials aren't read."""
        wanted = frozenset(trial_ids)
        return behind(
            [replace(one, commits=tuple(c for c in one.commits if c.trial_id in wanted)) for one in self.runs]
        )

    def whole_trials(self, name: TableName, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield a table in parts of about `PART_ROWS` rows with whole trials; `columns` includes trial_id."""
        waiting: list[pa.RecordBatch] = []  # batches, often as small as one trial
        with self.failing():
            reader = self.connection.sql(f"SELECT run, {', '.join(columns)} FROM {name}")  # noqa: S608
            for batch in reader.to_arrow_reader(PART_ROWS):
                waiting += [batch] if batch.num_rows else []
                if sum(one.num_rows for one in waiting) < PART_ROWS:
                    continue
                found = pa.Table.from_batches(waiting)
                last = pc.and_(*(pc.equal(found[key], found[key][-1]) for key in ("run", "trial_id")))
                ended = found.num_rows - int(pc.sum(last).as_py())
                waiting = found.slice(ended).to_batches()
                if ended:
                    yield found.slice(0, ended).combine_chunks()
        if waiting:
            yield pa.Table.from_batches(waiting).combine_chunks()

    def sql(self, query: str, limit: int | None = None) -> pa.Table:
        """Return at most `limit` rows of the query's result.

        Raises `StoreError` naming a damaged file, and `QueryError` for all other errors.
        """
        with self.failing():
            found = self.connection.sql(query)
            if found is None:
                raise QueryError("query: must give rows, got a statement without any")
            return (found if limit is None else found.limit(limit)).to_arrow_table()

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Convert DuckDB's errors to `StoreError` naming the damaged file, or else to `QueryError`."""
        try:
            yield
        except duckdb.Error as error:
            if isinstance(error, (duckdb.IOException, duckdb.InvalidInputException)):
                self._name_the_damaged()
            reason = str(error).split("\n\nLINE ")[0]
            raise QueryError(f"query: {' '.join(reason.split())}") from error

    def _name_the_damaged(self) -> None:
        """Raise `StoreError` naming the first file that cannot be read, if there is one."""
        from lookahead_ray.store.reader import Run

        for one in self.runs:
            read_verdicts(one.files, [commit.trial_id for commit in one.commits])
            for commit in one.commits:
                if commit.schema_version == SCHEMA_VERSION:
                    for table in commit.files:
                        Run(one.files, one.identity, (commit,)).table(table)


def open_runs(runs: Sequence[str]) -> Runs:
    """Open `runs`, paths or fsspec URLs.

    Raises `StoreError` naming the file if one is not a run, has an unknown schema version, or has a committed
    file that is missing or truncated; or if a run is given twice.
    """
    if not runs:
        raise StoreError("must be given at least one run, got none")
    return behind([open_run(run, name) for run, name in zip(runs, run_names(runs), strict=True)])


def behind(opened: Sequence[OpenRun]) -> Runs:
    """Return the opened runs with views on their tables."""
    connection = duckdb.connect(config={"threads": THREADS, "python_enable_replacements": False})
    made = Runs(tuple(opened), connection)
    with made.failing():  # DuckDB reads the first file of each table immediately
        create_views(connection, [(one.name, one.files, one.commits) for one in opened])
    return made
