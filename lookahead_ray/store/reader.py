"""Reading of a run; only committed trials are visible."""

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from lookahead_ray.errors import StoreError
from lookahead_ray.store.commits import Commit, committed_ids, read_commits
from lookahead_ray.store.conversion import to_record
from lookahead_ray.store.export import ExportFormat, export_table
from lookahead_ray.store.files import Files
from lookahead_ray.store.identity import IDENTITY_FILE, SweepIdentity, read_identity
from lookahead_ray.store.schemas import ADDED, SCHEMAS, TABLES, TableName
from lookahead_ray.store.verdicts import read_verdicts
from lookahead_ray.trial.record import TrialRecord


class Run:
    """A snapshot of the trials committed when the run was opened, in commit order; create it with `open`.

    Trials committed later don't appear: open the run again. Reading raises `StoreError` naming the file if
    one is missing, truncated or damaged since.
    """

    def __init__(self, files: Files, identity: SweepIdentity, commits: tuple[Commit, ...]) -> None:
        self._files = files
        self._commits = commits
        self.run = files.run
        self.identity = identity

    def trials(self) -> pa.Table:
        """Return one row per trial."""
        return self.table("trials")

    def steps(self) -> pa.Table:
        """Return one row per optimiser step."""
        return self.table("steps")

    def signals(self) -> pa.Table:
        """Return one row per epoch of a trial."""
        return self.table("signals")

    def generations(self) -> pa.Table:
        """Return one row per answer; all chunks of a dictionary column share one dictionary."""
        return self.table("generations")

    def token_kl(self) -> pa.Table:
        """Return one row per prompt and answer position."""
        return self.table("token_kl")

    def verdicts(self, judge: str | None = None) -> pa.Table:
        """Return one row per generation that `rejudge` judged again, for all judges or one."""
        return read_verdicts(self._files, [commit.trial_id for commit in self._commits], judge)

    def table(self, table: TableName) -> pa.Table:
        """Return all rows of `table`, with the schema `SCHEMAS[table]` even if there are none."""
        parts = self._read(table)
        return pa.concat_tables(parts).unify_dictionaries() if parts else SCHEMAS[table].empty_table()

    def dataset(self, table: TableName) -> ds.Dataset:
        """Return the committed files of `table` for lazy scans; errors while scanning are pyarrow's."""
        paths = [self._files.path(commit.files[table].path) for commit in self._commits]
        if not paths:
            return ds.dataset(SCHEMAS[table].empty_table())
        return ds.dataset(paths, SCHEMAS[table], format="parquet", filesystem=self._files.arrow())

    def records(self) -> list[TrialRecord]:
        """Return the trials as committed, except for the replacements that `Store.commit` documents."""
        return list(self.each_record())

    def each_record(self) -> Iterator[TrialRecord]:
        """Yield the `records` one by one; all together may not fit into memory."""
        for commit in self._commits:
            yield to_record({table: self._read(table, [commit])[0] for table in TABLES})

    def record(self, trial_id: str) -> TrialRecord:
        """Return one trial as `records`. Raises `StoreError` if it is not committed."""
        for commit in self._commits:
            if commit.trial_id == trial_id:
                return to_record({table: self._read(table, [commit])[0] for table in TABLES})
        raise StoreError(f"{self.run}: must be a committed trial, got {trial_id!r}")

    def each_summary(self) -> Iterator[TrialRecord]:
        """Yield the `records` without steps, signals, generations and KL, which are not read."""
        empty = {table: schema.empty_table() for table, schema in SCHEMAS.items()}
        for commit in self._commits:
            yield to_record({**empty, "trials": self._read("trials", [commit])[0]})

    def export(
        self, table: TableName | str, format: ExportFormat, out_dir: str, guard: bool = False
    ) -> tuple[str, ...]:
        """Write one table, or "all", to `<out_dir>/<table>.<format>`; return the paths written.

        `out_dir` is a path or an fsspec URL. In CSV all text is quoted, null is empty without quotes, and
        list columns are JSON text; with `guard`, texts that a spreadsheet would compute as formulas begin
        with an apostrophe (`store.export.guarded`). Raises `StoreError` if the table or format is unknown, or
        `out_dir` cannot be written.
        """
        chosen = [name for name in TABLES if table in (name, "all")]
        if not chosen:
            raise StoreError(f"{self.run}: table must be one of {', '.join(TABLES)} or all, got {table!r}")
        target = Files(out_dir)
        return tuple(export_table(self.table(name), name, format, target, guard) for name in chosen)

    def _read(self, table: TableName, commits: Sequence[Commit] | None = None) -> list[pa.Table]:
        files = [commit.files[table] for commit in (self._commits if commits is None else commits)]
        contents = self._files.read_all([file.path for file in files])
        parts = []
        for file, content in zip(files, contents, strict=True):
            where = f"{self.run}/{file.path}"
            try:
                # Avoid pyarrow's thread pools: a short program that ends right after reading sometimes aborts
                # while they shut down.
                file_reader = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
                part = _with_added_columns(file_reader.read(use_threads=False), table)
            except (pa.ArrowException, OSError, ValueError) as error:
                raise StoreError(
                    f"{where}: cannot be read as {table}: {' '.join(str(error).split())}"
                ) from error
            if part.num_rows != file.rows:
                raise StoreError(f"{where}: must have {file.rows} rows, got {part.num_rows}")
            parts.append(part)
        return parts


def _with_added_columns(part: pa.Table, table: TableName) -> pa.Table:
    """Return `part` with the schema of `table`; columns that are newer than its file are null."""
    schema = SCHEMAS[table]
    for name in sorted(ADDED.get(table, ()), key=schema.get_field_index):  # each index counts those before
        if name not in part.column_names:
            index = schema.get_field_index(name)
            part = part.add_column(
                index, schema.field(index), pa.nulls(part.num_rows, schema.field(index).type)
            )
    return part.cast(schema)


def trial_ids(run: str) -> frozenset[str]:
    """Return the ids of the trials committed in `run`, a path or an fsspec URL; empty if it doesn't exist."""
    return committed_ids(Files(run))


def precision_of(run: str) -> str | None:
    """Return the precision of the trials of `run`, as fixed when it began; None for a new run.

    Runs from before `training.precision: auto` record it only in their trials.
    """
    identity = read_identity(Files(run))
    if identity is None:
        return None
    if identity.precision is None:
        first = next(open(run).each_summary(), None)
        return None if first is None else str(first.config["training"]["precision"])
    return identity.precision


def chat_date_of(run: str) -> str | None:
    """Return the date that chat templates write as today's in `run`: its first day; None for a new run."""
    identity = read_identity(Files(run))
    return None if identity is None else identity.chat_date or identity.created_at[:10]


def open(run: str) -> Run:
    """Return the run stored in `run`, a path or an fsspec URL.

    Raises `StoreError` if it is not a run, has another schema version, or a committed file is missing or
    truncated.
    """
    files = Files(run)
    identity = read_identity(files)
    if identity is None:
        raise StoreError(
            f"{run}: must be the directory of a run, got no {IDENTITY_FILE} in it; "
            "give the directory that a sweep wrote to (its --run)"
        )
    return Run(files, identity, read_commits(files))
