"""Writing of a run: one atomic commit per trial."""

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
    """A run to which trials are committed; create it with `create`. `identity` is that of its sweep.json.

    Only one `Store` at a time may write to a run: hold `lock(run)` while using it.
    """

    def __init__(self, files: Files, identity: SweepIdentity) -> None:
        self._files = files
        self.run = files.run
        self.identity = identity

    def committed_ids(self) -> frozenset[str]:
        """Return the ids of the trials committed so far, by any process."""
        return committed_ids(self._files)

    def commit(self, record: TrialRecord) -> None:
        """Make the whole trial visible to readers; it is durable when this returns.

        If it doesn't return, the trial is not visible and may be committed again. Surrogate code points in
        text become U+FFFD. Raises `StoreError` if the trial is already committed, belongs to another sweep,
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
    """Create a run in `run` (a path or an fsspec URL), or open the existing run of the same sweep.

    Two sweeps are the same if there are no `changes`; the store then keeps the existing identity, and trials
    must have its sweep_id. The caller must hold `lock(run)`. Raises `StoreError` naming the changes if the
    directory belongs to another sweep, or if it holds commits without a sweep.json or cannot be written.
    """
    files = Files(run)
    found = read_identity(files)
    if found is None:
        if committed_ids(files):
            raise StoreError(
                f"{run}: committed trials exist but sweep.json is missing; restore it or choose another --run"
            )
        write_identity(files, identity)
        found = identity
    if changed := changes(found, identity):
        raise StoreError(refusal(run, changed))
    return Store(files, found)
