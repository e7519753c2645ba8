"""A run's committed tables for the report: only the columns and trials that it needs."""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from analysis.opening import is_running
from lookahead_ray.errors import StoreError
from lookahead_ray.store.commits import FOLDER as COMMITS
from lookahead_ray.store.commits import Commit, committed_ids, read_commits
from lookahead_ray.store.files import Files
from lookahead_ray.store.identity import FILE, SweepIdentity, read_identity
from lookahead_ray.store.reader import Run
from lookahead_ray.store.schemas import SCHEMA_VERSION, SCHEMAS, TableName
from lookahead_ray.trial.record import TrialRecord


class _Without(Files):
    """The run's files without some of them."""

    def __init__(self, run: str, hidden: Collection[str]) -> None:
        super().__init__(run)
        self.hidden = frozenset(hidden)

    def sizes(self, folder: str) -> dict[str, int]:
        """As `Files.sizes`, without the hidden ones."""
        return {name: size for name, size in super().sizes(folder).items() if name not in self.hidden}


@dataclass(frozen=True)
class Source:
    """A run as it was when opened. `open_source` makes one."""

    run: str
    files: Files
    identity: SweepIdentity
    commits: tuple[Commit, ...]
    running: bool | None  # None: can't be told on this file system
    other_versions: Mapping[str, int]  # schema version -> trials that were left out because of it

    def read(
        self, table: TableName, columns: Sequence[str] | None = None, trial_ids: Collection[str] | None = None
    ) -> pa.Table:
        """These columns of these trials' rows (default: all), in the order of the commits.

        `StoreError` naming the file if one is damaged.
        """
        commits = self._chosen(trial_ids)
        schema = SCHEMAS[table]
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in columns])
        if not commits:
            return schema.empty_table()
        paths = [self.files.path(commit.files[table].path) for commit in commits]
        try:
            read = (
                _local(paths, schema.names) if self.files.local else self._remote(table, paths, schema.names)
            )
            return read.cast(schema).unify_dictionaries()
        except (pa.ArrowException, duckdb.Error, OSError, ValueError) as error:
            Run(self.files, self.identity, commits).table(table)  # names the file
            raise StoreError(f"{self.run}: cannot read {table}: {' '.join(str(error).split())}") from error

    def _remote(self, table: TableName, paths: list[str], columns: list[str]) -> pa.Table:
        scanned = ds.dataset(paths, SCHEMAS[table], format="parquet", filesystem=self.files.arrow())
        return scanned.to_table(columns=columns, use_threads=False)  # see `lookahead_ray.store.reader`

    def records(self, trial_ids: Collection[str]) -> list[TrialRecord]:
        """These trials as records, in the order of the commits."""
        return Run(self.files, self.identity, self._chosen(trial_ids)).records()

    def rows(self, table: TableName) -> dict[str, int]:
        """Trial id -> rows of `table`, from the commits alone."""
        return {commit.trial_id: commit.files[table].rows for commit in self.commits}

    def _chosen(self, trial_ids: Collection[str] | None) -> tuple[Commit, ...]:
        if trial_ids is None:
            return self.commits
        wanted = frozenset(trial_ids)
        return tuple(commit for commit in self.commits if commit.trial_id in wanted)


def open_source(run: str) -> Source:
    """The run in `run`, a path or an fsspec URL; trials of other schema versions are left out and counted.

    `StoreError` if it is no run, is as a whole of another version, or a committed file is missing or cut
    short.
    """
    files = Files(run)
    identity = read_identity(files)
    if identity is None:
        raise StoreError(f"{run}: must be the directory of a run, got no {FILE} in it")
    try:
        commits, others = read_commits(files), {}
    except StoreError:
        versions = _other_versions(files)
        if not versions:
            raise
        files = _Without(run, versions)
        commits, others = read_commits(files), dict(Counter(versions.values()))
    return Source(run, files, identity, commits, is_running(files), others)


def _local(paths: list[str], columns: list[str]) -> pa.Table:
    """Rows in the order of `paths`; DuckDB opens small files several times as fast as pyarrow."""
    with duckdb.connect(config={"threads": 2}) as connection:
        names = ", ".join(f'"{name}"' for name in columns)
        query = f"SELECT {names} FROM read_parquet($paths)"  # noqa: S608 - names of `SCHEMAS`
        return connection.sql(query, params={"paths": paths}).to_arrow_table()


def _other_versions(files: Files) -> dict[str, str]:
    """Name of each commit of another schema version -> that version; malformed commits aren't among them."""
    names = [f"{COMMITS}/{trial_id}.json" for trial_id in sorted(committed_ids(files))]
    found = {}
    for name, content in zip(names, files.read_all(names), strict=True):
        try:
            version = json.loads(content).get("schema_version", SCHEMA_VERSION)
        except (ValueError, AttributeError):
            continue
        if version != SCHEMA_VERSION:
            found[name] = str(version)
    return found
