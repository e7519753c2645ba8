"""Finished trials that could not be committed, kept on the driver's disk until the next `--resume`.

They are kept as a run of their own, so `lookahead-ray tables` and `python -m analysis` read them too.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from lookahead_ray import store
from lookahead_ray.disk_cache import cache_dir
from lookahead_ray.errors import StoreError
from lookahead_ray.trial.record import TrialRecord
from lookahead_ray.trial.trainings import group_by_training

FOLDER = "uncommitted"
MEMORY = Path("/dev/shm")  # noqa: S108  # in a folder that only the user can read
"""Where trials are kept if all of the user's disk is full; lost when the machine is restarted."""


class SpooledStore:
    """A run's store whose `commit` loses no finished trial; open it after the run was locked."""

    def __init__(self, opened: store.Store) -> None:
        self._opened = opened

    def commit(self, record: TrialRecord, *further: TrialRecord) -> None:
        """Commit a trial, with `further` points of its training.

        Raises:
            StoreError: it can't be committed; the message says where it is kept.
        """
        try:
            self._opened.commit(record, *further)
        except StoreError as error:
            if record.status == "failed":
                raise
            raise StoreError(f"{error}; {self._keep(record, *further)}") from error

    def restore(self) -> list[str]:
        """Commit the trials that earlier sessions kept; return a line for the user on each.

        Raises:
            StoreError: a kept trial can't be read or committed.
        """
        lines = []
        for place in self._places():
            if not _is_own(place):
                continue
            for record, *further in group_by_training(store.open(str(place)).each_record()):
                if record.trial_id not in self._opened.committed_ids():
                    self._opened.commit(record, *further)
                    lines.append(f"trial {record.trial_id}, kept in {place}, is committed")
            shutil.rmtree(place, ignore_errors=True)
        return lines

    def _keep(self, record: TrialRecord, *further: TrialRecord) -> str:
        """Keep a trial and return where, or why it can't be kept."""
        reason = ""
        for place in self._places():
            try:
                place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                if not _is_own(place.parent):
                    continue
                store.create(str(place), self._opened.identity).commit(record, *further)
            except (OSError, StoreError) as error:
                reason = reason or str(error)
            else:
                return f"the finished trial is kept in {place}, and --resume on this machine commits it"
        return f"the finished trial is lost, as it can't be kept either: {reason}"

    def _places(self) -> Iterator[Path]:
        """Yield the folders in which this sweep's trials may be kept, the best first."""
        sweep_id = self._opened.identity.sweep_id
        yield cache_dir() / FOLDER / sweep_id
        yield MEMORY / f"lookahead-ray-{FOLDER}-{os.getuid()}" / sweep_id


def _is_own(folder: Path) -> bool:
    """Return whether a folder exists that only this user can have written to."""
    try:
        status = folder.stat(follow_symlinks=False)
    except OSError:
        return False
    return folder.is_dir() and status.st_uid == os.getuid() and not status.st_mode & 0o022
