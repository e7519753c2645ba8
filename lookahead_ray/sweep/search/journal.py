"""The study on disk: `study.journal` next to the tables; optuna-dashboard opens it during and after a run.

The tables are authoritative and the journal follows them: a trial is committed first, then journalled. Only
the journal records which trials were running when a session was killed. A journal that can't be read, or that
holds the end of a trial missing from the tables, is renamed to `study.journal.damaged` and written again.
"""

import logging
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import FrozenTrial, TrialState

from lookahead_ray.errors import StoreError
from lookahead_ray.sweep.search.study import ROLE, TRIAL_ID, Outcome, StudyLog

STALE_LOCK_S = 1.0
"""A lock unchanged for this time is taken over. Optuna holds one for milliseconds, to write a line."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.001, 0.1  # between two checks of a lock; doubled each time


class JournalLock(JournalFileSymlinkLock):
    """Optuna's lock file for a journal, `<journal>.lock`, with stale locks detected by the file itself.

    Optuna follows the link to determine its age. A link that does not resolve has no age, and Optuna then
    waits for it forever. This happens with every relative target too, because it resolves from the link's own
    directory. This lock reads the file's own inode, for any kind of file, and the journal's size.

    Other Optuna processes, such as optuna-dashboard, take and respect the same lock file. The link's target
    is absolute, so that they detect a stale lock of this process.
    """

    def __init__(self, journal: Path) -> None:
        self._journal = journal.absolute()  # the working directory may change
        self._file = self._journal.with_name(f"{journal.name}.lock")
        self._held: tuple[int, ...] | None = None

    def acquire(self) -> bool:
        """Take the lock as soon as it is free or has been stale for `STALE_LOCK_S`.

        Raises:
            OSError: the lock file can be neither created nor removed.
        """
        seen, since_s, pause_s = None, time.monotonic(), FIRST_PAUSE_S
        while True:
            try:
                os.symlink(self._journal, self._file)
            except FileExistsError:
                found = (_identity(self._file), _identity(self._journal, follow_symlinks=True))
                if found != seen:
                    seen, since_s, pause_s = found, time.monotonic(), FIRST_PAUSE_S
                elif time.monotonic() - since_s >= STALE_LOCK_S:
                    logging.getLogger(__name__).warning("%s: stale, removed", self._file)
                    self._remove()
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            else:
                self._held = _identity(self._file)
                return True

    def release(self) -> None:
        """Release the lock. Do nothing if another process took it over, as this one seemed to be dead."""
        if self._held is not None and _identity(self._file) == self._held:
            self._remove()
        self._held = None

    def _remove(self) -> None:
        """Remove the lock file; rename it first, as Optuna does, so that only one process removes it.

        A directory that holds files is only renamed, to `<journal>.lock<random>.rename`.
        """
        aside = self._file.with_name(f"{self._file.name}{uuid4()}.rename")
        with suppress(FileNotFoundError):  # released in the meantime
            os.rename(self._file, aside)
            if aside.is_dir() and not aside.is_symlink():
                with suppress(OSError):
                    aside.rmdir()
            else:
                aside.unlink()


class Journal(StudyLog):
    """A study in a journal file. Raises StoreError if the file can't be written."""

    def __init__(
        self,
        path: Path,
        study: optuna.Study,
        distributions: Mapping[str, BaseDistribution],
        changed: Callable[[], None],
    ) -> None:
        super().__init__(study, distributions)
        self._path = path
        self._changed = changed

    def begin(self, trial_id: str, params: Mapping[str, Any], attributes: Mapping[str, Any]) -> None:
        with _writing(self._path):
            super().begin(trial_id, params, attributes)
        self._changed()

    def end(self, trial_id: str, outcome: Outcome) -> None:
        with _writing(self._path):
            super().end(trial_id, outcome)
        self._changed()

    def describe(self, attributes: Mapping[str, Any]) -> None:
        """Set the attributes of the study that are missing or different."""
        with _writing(self._path):
            known = self.study.user_attrs
            for name, value in attributes.items():
                if known.get(name) != value:
                    self.study.set_user_attr(name, value)

    def in_flight(self, committed: Collection[str]) -> list[FrozenTrial]:
        """Return running search trials that are not `committed`, in order; end running ones without an id."""
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        for trial in running:
            if TRIAL_ID not in trial.user_attrs:
                with _writing(self._path):
                    self.study.tell(trial.number, state=TrialState.FAIL)
        ours = [trial for trial in running if trial.user_attrs.get(ROLE) == "search"]
        return [trial for trial in ours if trial.user_attrs[TRIAL_ID] not in committed]


def open_journal(
    path: Path,
    name: str,
    objectives: Sequence[str],
    distributions: Mapping[str, BaseDistribution],
    committed: Collection[str],
    changed: Callable[[], None] = lambda: None,
) -> Journal:
    """Open the study `name` in the file `path`, or create it; one driver at a time.

    Args:
        objectives: names of the study's values; all are maximised.
        committed: ids of the search trials in the tables.
        changed: called after a trial has begun or ended in the journal.

    Raises:
        StoreError: the file can't be written.
    """
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = JournalLock(path)
        with _held(lock):  # no other process is writing a line
            _cut_torn_line(path)
        try:
            study = _study(path, lock, name, objectives)
        except OSError:
            raise
        except Exception:  # any error that a damaged line causes in Optuna's replay
            _set_aside(path, lock)
            study = _study(path, lock, name, objectives)
        if not ended_in(study.get_trials(deepcopy=False)) <= set(committed):
            _set_aside(path, lock)
            study = _study(path, lock, name, objectives)
    return Journal(path, study, distributions, changed)


def ended_in(trials: Sequence[FrozenTrial]) -> set[str]:
    """Return the ids of the finished search trials among a study's trials."""
    ours = [trial for trial in trials if trial.user_attrs.get(ROLE) == "search"]
    return {trial.user_attrs[TRIAL_ID] for trial in ours if trial.state.is_finished()}


def _study(path: Path, lock: JournalLock, name: str, objectives: Sequence[str]) -> optuna.Study:
    storage = JournalStorage(JournalFileBackend(str(path.absolute()), lock))
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        directions=["maximize"] * len(objectives),
        load_if_exists=True,
        sampler=optuna.samplers.RandomSampler(),  # never used
    )
    if study.metric_names != list(objectives):
        study.set_metric_names(list(objectives))
    return study


def _cut_torn_line(path: Path) -> None:
    """Truncate the file after its last complete line."""
    if path.exists():
        content = path.read_bytes()
        if not content.endswith(b"\n"):
            with path.open("r+b") as file:
                file.truncate(content.rfind(b"\n") + 1)


def _set_aside(path: Path, lock: JournalLock) -> None:
    with _held(lock):
        path.replace(path.with_name(f"{path.name}.damaged"))


def _identity(path: Path, follow_symlinks: bool = False) -> tuple[int, ...] | None:
    """Return values that change when the file is replaced or written; None if there is no file."""
    try:
        status = path.stat(follow_symlinks=follow_symlinks)
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


@contextmanager
def _held(lock: JournalLock) -> Iterator[None]:
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StoreError(
            f"{path}: cannot be written: {reason}; fix the cause, then continue with --resume"
        ) from error
