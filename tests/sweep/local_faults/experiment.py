"""Sweeps of a tiny model on one machine that a fault disturbs, compared with an undisturbed one."""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from lookahead_ray import store
from lookahead_ray.disk_cache import CACHE_VARIABLE
from lookahead_ray.filesystem import open_filesystem
from lookahead_ray.train.checkpoint.local import CHECKPOINT_FILE, parsed
from lookahead_ray.trial.record import TrialRecord
from tests.faults_page import CountedRow
from tests.sweep.essence import essence
from tests.sweep.local_faults.counts import (
    Counts,
    Row,
    committed_rows,
    different_trials,
    doubled_rows,
    lost_rows,
)
from tests.sweep.processes import SweepProcess
from tests.tiny import make_model

STEPS_PER_EPOCH = 4
SETTINGS = (
    "workers=1",
    "search.max_concurrent=1",
    "search.trials=1",
    "training.epochs={int: [1, 10]}",
    "search.reference={training.epochs: 1}",
    "search.enqueue=[{training.epochs: 10}]",  # so it is `DISTURBED` that trains for long
    f"task.train_examples={8 * STEPS_PER_EPOCH}",
    "training.learning_rate={loguniform: [1e-4, 1e-2]}",
)
AN_EPOCH = f"less than an epoch ({STEPS_PER_EPOCH} steps)"
DISTURBED = "search-001"
"""The trial during which faults are injected: the reference trials are committed then."""
UNDISTURBED = {"RAY_memory_monitor_refresh_ms": "0"}  # by other processes of this machine
PATIENCE_S = 400.0
GONE_S = 150.0  # Ray's agents of a killed driver try to reach its control service for a minute


class Sweeps:
    """The undisturbed sweeps to compare with, and a model; shared by several experiments in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = make_model(folder / "model")
        self._undisturbed: dict[tuple[str, ...], dict[str, TrialRecord]] = {}

    def undisturbed(self, settings: Sequence[str]) -> dict[str, TrialRecord]:
        """Return trial id -> essence of a sweep with these settings, which runs at the first call."""
        key = tuple(settings)
        if key not in self._undisturbed:
            run = Path(tempfile.mkdtemp(prefix="undisturbed-", dir=self.folder), "run")
            cache = {CACHE_VARIABLE: f"{run}-cache"}
            sweep = SweepProcess(self.model, run, key, variables={**UNDISTURBED, **cache})
            try:
                sweep.finish()
            finally:
                sweep.clean_up()
            self._undisturbed[key] = essences(str(run))
        return self._undisturbed[key]


class Experiment:
    """One run, by one or more sessions, that a fault disturbs."""

    def __init__(self, sweeps: Sweeps, name: str, settings: Sequence[str] = (), run: str = "") -> None:
        """Prepare a run with `settings` in addition to `SETTINGS`, in `sweeps.folder` or at the URL `run`."""
        self.folder = sweeps.folder / name
        self.folder.mkdir()
        self.run = run or str(self.folder / "run")
        self.expected = sweeps.undisturbed((*SETTINGS, *settings))
        self._model, self._settings = sweeps.model, (*SETTINGS, *settings)
        self._sessions: list[SweepProcess] = []
        self._before: Counter[Row] = Counter()
        self._epoch, self._since_s = 0, 0.0

    def start(
        self,
        *options: str,
        variables: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
        settings: Sequence[str] = (),
    ) -> SweepProcess:
        """Start a session in a folder of its own, as on another machine.

        Args:
            settings: further settings that do not change a trial.
        """
        here = self.folder / f"session-{len(self._sessions) + 1}"
        here.mkdir()
        cache = {CACHE_VARIABLE: str(self.folder / "cache")}
        environment = {**UNDISTURBED, **cache, **(variables or {})}
        session = SweepProcess(
            self._model,
            self.run,
            (*self._settings, *settings),
            options,
            here / "output.txt",
            here,
            environment,
            prefix,
        )
        self._sessions.append(session)
        return session

    def wait_for_training(self, session: SweepProcess, epoch: int = 2) -> None:
        """Wait until the trial `DISTURBED` has a checkpoint of this epoch or a later one."""
        wait(lambda: self.epoch() >= epoch or session.process.poll() is not None, session)
        assert session.process.poll() is None, session.text()

    def epoch(self) -> int:
        """Return the epoch of the last checkpoint of `DISTURBED`; 0 without one."""
        fs, root = open_filesystem(self.run)
        try:
            found = parsed(fs.cat_file(f"{root}/checkpoints/{DISTURBED}/{CHECKPOINT_FILE}"))
        except OSError:
            return 0
        return found.epoch if found else 0

    def note(self) -> None:
        """Note what is committed just before the fault."""
        self._before |= committed_rows(self.run)
        self._epoch, self._since_s = self.epoch(), time.monotonic()

    def stopped(self) -> None:
        """Note the point that training had reached, as it went on after the fault for a while."""
        self._epoch = self.epoch()

    def since_s(self) -> float:
        """Return the seconds since the fault."""
        return time.monotonic() - self._since_s

    def recovered_s(self, session: SweepProcess) -> float:
        """Return the seconds from the fault until training has passed the same point."""
        wait(lambda: self.epoch() > self._epoch or DISTURBED in store.trial_ids(self.run), session)
        return self.since_s()

    def row(self, fault: str, how: str, lost: str, recovery_s: float | None = None) -> CountedRow:
        """Return the fault's row, once the last session has ended."""
        after = committed_rows(self.run)
        counts = Counts(
            lost=lost_rows(self._before, after),
            doubled=doubled_rows(after),
            orphans=self._orphans(),
            judged=len(different_trials(essences(self.run), self.expected)),
        )
        return CountedRow(fault, how, lost, recovery_s, counts)

    def _orphans(self) -> int:
        """Return the number of processes that the sessions left."""
        until = time.monotonic() + GONE_S
        while (left := [each for session in self._sessions for each in session.left()]) and (
            time.monotonic() < until
        ):
            time.sleep(0.5)
        return len(left)

    def close(self) -> None:
        """Kill what is left."""
        for session in self._sessions:
            session.clean_up()


@contextmanager
def experiment(sweeps: Sweeps, name: str, *settings: str, run: str = "") -> Iterator[Experiment]:
    """Yield an experiment, whose processes are ended with the block."""
    with ExitStack() as stack:
        made = Experiment(sweeps, name, settings, run)
        stack.callback(made.close)
        yield made


def essences(run: str) -> dict[str, TrialRecord]:
    """Return trial id -> record without clock times, sweep and restarts."""
    return {record.trial_id: essence(record) for record in store.open(run).records()}


def wait(condition: Callable[[], Any], session: SweepProcess, patience_s: float = PATIENCE_S) -> None:
    """Wait until a condition holds; AssertionError with the session's output if it takes too long."""
    until = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < until, session.text()
        time.sleep(0.1)
