"""Writing a run: one atomic commit a trial."""

import pyarrow as pa
import pyarrow.parquet as pq

from lookahead_ray.errors import StoreError
from lookahead_ray.store.commits import (
    Commit,
    TableFile,
    check_trial_id,
    committed_ids,
    table_path,
    write_commit,
)
from lookahead_ray.store.conversion import to_tables
from lookahead_ray.store.files import Files
from lookahead_ray.store.identity import SweepIdentity, read_identity, write_identity
from lookahead_ray.store.identity_diff import changes, refusal
from lookahead_ray.store.schemas import TableName
from lookahead_ray.trial.record import TrialRecord


class Store:
    """A run to commit trials to; `create` makes one. `identity` is what the run's sweep.json says.

    One `Store` at a time writes to a run: hold `lock(run)` meanwhile.
    """

    def __init__(self, files: Files, identity: SweepIdentity) -> None:
        self._files = files
        self.run = files.run
        self.identity = identity

    def committed_ids(self) -> frozenset[str]:
        """Ids of the trials committed so far, by any process."""
        return committed_ids(self._files)

    def commit(self, record: TrialRecord) -> None:
        """Make the trial visible to readers, whole; durable when this returns.

        If it doesn't return, readers see nothing of the trial and it may be committed again. Surrogate code
        points in text become U+FFFD. `StoreError` if the trial is committed already, is another sweep's,
        holds a value that doesn't fit its column, or the file system fails.
        """
        check_trial_id(record.trial_id)
        if record.sweep_id != self.identity.sweep_id:
            raise StoreError(
                f"{self.run}: trial {record.trial_id}: sweep_id must be {self.identity.sweep_id!r}, "
                f"got {record.sweep_id!r}"
            )
        tables = to_tables(record)
        committed = self.committed_ids()
        if record.trial_id in committed:
            raise StoreError(f"{self.run}: a trial is committed once, got {record.trial_id!r} again")
        try:
            listed = {name: self._write(name, record.trial_id, table) for name, table in tables.items()}
            write_commit(self._files, Commit(record.trial_id, len(committed) + 1, listed))
        except StoreError as error:
            raise StoreError(f"trial {record.trial_id} is not committed: {error}") from error

    def _write(self, name: TableName, trial_id: str, table: pa.Table) -> TableFile:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
        content: bytes = sink.getvalue().to_pybytes()
        path = table_path(name, trial_id)
        self._files.write(path, content)
        return TableFile(path, len(content), table.num_rows)


def create(run: str, identity: SweepIdentity) -> Store:
    """A new run in `run` (a path or an fsspec URL), or the one of the same sweep that is there already.

    The same sweep is the one without `changes`; the store then keeps the identity that is there, and trials
    must carry its sweep_id. Hold `lock(run)` from before. `StoreError` naming what changed if the directory
    belongs to another sweep, if it holds commits without a sweep.json, or cannot be written.
    """
    files = Files(run)
    found = read_identity(files)
    if found is None:
        if committed_ids(files):
            raise StoreError(
                f"{run}: sweep.json is missing beside committed trials; restore it or choose another --run"
            )
        write_identity(files, identity)
        found = identity
    if told := changes(found, identity):
        raise StoreError(refusal(run, told))
    return Store(files, found)
