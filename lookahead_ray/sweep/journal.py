"""The study on disk: `study.journal` beside the tables, which optuna-dashboard opens during and after a run.

The tables are the truth and the journal follows them: a trial is committed first, then told. What the journal
knows alone is which trials were running when a session was killed. A journal that can't be read, or that
holds the end of a trial which no table holds, is set aside as `study.journal.damaged` and written anew.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import FrozenTrial, TrialState

from lookahead_ray.errors import StoreError
from lookahead_ray.sweep.study import ROLE, TRIAL_ID, Outcome, StudyLog

STALE_LOCK_S = 3  # a killed process may have left the lock that Optuna holds for each line


class Journal(StudyLog):
    """A study in a journal file. Raises StoreError where the file can't be written."""

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
        """Set attributes of the study that it has not."""
        with _writing(self._path):
            known = self.study.user_attrs
            for name, value in attributes.items():
                if known.get(name) != value:
                    self.study.set_user_attr(name, value)

    def in_flight(self, committed: Collection[str]) -> list[FrozenTrial]:
        """Search trials that run there and are not `committed`, in order; running ones without an id end."""
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
    """The study `name` in the file `path`, made where it is not; one driver at a time.

    Args:
        objectives: what the study's values are called; all are maximised.
        committed: ids of the search trials that the tables hold.
        changed: called after a trial has begun or ended there.

    Raises:
        StoreError: the file can't be written.
    """
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _cut_torn_line(path)
        try:
            study = _study(path, name, objectives)
        except OSError:
            raise
        except Exception:  # whatever a damaged line does to Optuna's replay
            _set_aside(path)
            study = _study(path, name, objectives)
        if not ended_in(study.get_trials(deepcopy=False)) <= set(committed):
            _set_aside(path)
            study = _study(path, name, objectives)
    return Journal(path, study, distributions, changed)


def ended_in(trials: Sequence[FrozenTrial]) -> set[str]:
    """Ids of the search trials that have ended by these trials of a study."""
    ours = [trial for trial in trials if trial.user_attrs.get(ROLE) == "search"]
    return {trial.user_attrs[TRIAL_ID] for trial in ours if trial.state.is_finished()}


def _study(path: Path, name: str, objectives: Sequence[str]) -> optuna.Study:
    lock = JournalFileSymlinkLock(str(path), grace_period=STALE_LOCK_S)
    storage = JournalStorage(JournalFileBackend(str(path), lock))
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        directions=["maximize"] * len(objectives),
        load_if_exists=True,
        sampler=optuna.samplers.RandomSampler(),  # never asked
    )
    if study.metric_names != list(objectives):
        study.set_metric_names(list(objectives))
    return study


def _cut_torn_line(path: Path) -> None:
    """Drop what follows the last line that was written whole."""
    if path.exists():
        content = path.read_bytes()
        if not content.endswith(b"\n"):
            with path.open("r+b") as file:
                file.truncate(content.rfind(b"\n") + 1)


def _set_aside(path: Path) -> None:
    path.replace(path.with_name(f"{path.name}.damaged"))


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StoreError(f"{path}: cannot be written: {reason}; go on with --resume once it can") from error
