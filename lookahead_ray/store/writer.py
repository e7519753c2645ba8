"""Writing of a run: one atomic commit per trial, or per training with several points."""

import logging
from contextlib import suppress
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq

from lookahead_ray.errors import StoreError
from lookahead_ray.store.commits import (
    JUDGED,
    Commit,
    TableFile,
    check_trial_id,
    commit_content,
    commit_path,
    committed_ids,
    judged_path,
    list_commits,
    read_commit,
    table_path,
)
from lookahead_ray.store.conversion import to_tables
from lookahead_ray.store.hold import Hold
from lookahead_ray.store.identity import SweepIdentity, create_identity, read_identity
from lookahead_ray.store.identity_diff import changes, refusal
from lookahead_ray.store.schemas import TableName
from lookahead_ray.trial.record import TrialRecord

REPLACED: tuple[TableName, ...] = ("trials", "generations")
"""The tables that verdicts and scores are in."""

COMPLETED = "it was completed before"


class Store:
    """A run to which trials are committed; create it with `create`. `identity` is that of its sweep.json.

    Only one `Store` at a time may write to a run: use it within `lock(run)`.
    """

    def __init__(self, hold: Hold, identity: SweepIdentity, sequence: int) -> None:
        """Create a store; `sequence` is that of the last commit."""
        self._hold = hold
        self._files = hold.files
        self._sequence = sequence
        self.run = hold.run
        self.identity = identity

    def committed_ids(self) -> frozenset[str]:
        """Return the ids of the trials committed so far, by any process."""
        return committed_ids(self._files)

    def commit(self, record: TrialRecord, *further: TrialRecord) -> None:
        """Make the whole trial visible to readers; it is durable when this returns.

        `further` holds the other points of the same training, which become visible together with the first.

        If it raises, the trial is not visible and may be committed again; at a URL it may become visible
        when it is committed again or the run is resumed, because a request can succeed whose answer was lost.
        Surrogate code points in text become U+FFFD. Raises `StoreError` if the trial is already committed,
        belongs to another sweep, holds a value that doesn't fit its column, another driver has taken the run
        over, or the file system fails.
        """
        points = (record, *further)
        for point in points:
            check_trial_id(point.trial_id)
            if point.sweep_id != self.identity.sweep_id:
                raise StoreError(
                    f"{self.run}: trial {point.trial_id}: sweep_id must be {self.identity.sweep_id!r}, "
                    f"got {point.sweep_id!r}"
                )
        tables = [to_tables(point) for point in points]
        name = commit_path(record.trial_id)
        try:
            if self._hold.settle() == name:
                return
            self._hold.check()
            if record.trial_id not in self.committed_ids():
                suffix = self._hold.table_suffix()
                listed = [
                    {table: self._write(table, point.trial_id, suffix, rows) for table, rows in own.items()}
                    for point, own in zip(points, tables, strict=True)
                ]
                self._sequence += 1  # also if it fails: it may turn out to have succeeded
                commits = [
                    Commit(point.trial_id, self._sequence, own)
                    for point, own in zip(points, listed, strict=True)
                ]
                if self._hold.commit(name, commit_content(commits)):
                    return
        except StoreError as error:
            raise StoreError(f"trial {record.trial_id} is not committed: {error}") from error
        raise StoreError(f"{self.run}: a trial is committed once, got {record.trial_id!r} again")

    def complete(self, record: TrialRecord) -> None:
        """Replace a committed trial by the same trial with verdicts or scores that it lacked; once per trial.

        A commit file in `judged/` does it atomically; then the two table files that it replaces are removed.
        The trial comes last in the order of commits. Raises `StoreError` as `commit`, if the trial is not
        committed or was completed before, or if a table has another number of rows.
        """
        name = judged_path(record.trial_id)
        tables = to_tables(record)
        try:
            if self._hold.settle() == name:
                return
            self._hold.check()
            if name in self._files.sizes(JUDGED):
                raise StoreError(COMPLETED)
            first = read_commit(self._files, record.trial_id, record.training)
            for table, rows in tables.items():
                if rows.num_rows != first.files[table].rows:
                    raise StoreError(
                        f"{table}: must have {first.files[table].rows} rows, got {rows.num_rows}"
                    )
            suffix = self._hold.table_suffix() or "-judged"
            new = {table: self._write(table, record.trial_id, suffix, tables[table]) for table in REPLACED}
            self._sequence += 1
            commit = replace(first, sequence=self._sequence, files={**first.files, **new})
            if not self._hold.commit(name, commit_content([commit])):
                raise StoreError(COMPLETED)
        except StoreError as error:
            raise StoreError(f"trial {record.trial_id} is not completed: {error}") from error
        with suppress(StoreError):
            for table in REPLACED:
                self._files.remove(first.files[table].path)

    def _write(self, name: TableName, trial_id: str, suffix: str, table: pa.Table) -> TableFile:
        content = to_parquet(table)
        path = table_path(name, trial_id, suffix)
        self._files.write(path, content)
        return TableFile(path, len(content), table.num_rows)


def to_parquet(table: pa.Table) -> bytes:
    """Return the content of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def create(run: str, identity: SweepIdentity, hold: Hold | None = None) -> Store:
    """Create a run in `run` (a path or an fsspec URL), or open the existing run of the same sweep.

    Two sweeps are the same if there are no `changes`; the store then keeps the existing identity, and trials
    must have its sweep_id. `hold` is what `lock(run)` gave; without it, nothing keeps a second driver from
    writing. Raises `StoreError` naming the changes if the directory belongs to another sweep, or if it holds
    commits without a sweep.json, a malformed commit, or cannot be written.
    """
    hold = hold or Hold(run)
    files = hold.files
    found = read_identity(files)
    if found is None:
        if committed_ids(files):
            raise StoreError(
                f"{run}: committed trials exist but sweep.json is missing; restore it or choose another --run"
            )
        hold.check()
        found = create_identity(files, identity)
    if changed := changes(found, identity):
        raise StoreError(refusal(run, changed))
    commits = list_commits(files)
    _remove_superseded(hold, commits)
    return Store(hold, found, max((commit.sequence for commit in commits), default=0))


def _remove_superseded(hold: Hold, commits: list[Commit]) -> None:
    """Remove the table files of earlier drivers that are in no commit, and can't be in one any more."""
    listed = {file.path for commit in commits for file in commit.files.values()}
    try:
        for name in hold.files.sizes("tables"):
            if name not in listed and hold.supersedes(name):
                hold.files.remove(name)
    except StoreError as error:
        logging.getLogger(__name__).warning("%s: files without a commit stay: %s", hold.run, error)
