"""The sweep of `driver`: the whole driver over trials that do nothing, observed from inside the process."""

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from benchmarks.common import Raw
from benchmarks.driver_noop import RAN, NoOpTrial, measurement
from lookahead_ray.config.auto import HardwareValues
from lookahead_ray.config.load import load_sweep
from lookahead_ray.entrypoints.sweep import lock_run, open_sink
from lookahead_ray.sweep.driver import run_sweep
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.progress import TrialProgress
from lookahead_ray.trial.record import Role, TrialRecord

SPACE = Path(__file__).with_name("driver.yaml")
MIB = 2**20


def measure(variant: str, settings: dict[str, Any]) -> Raw:
    """Run the sweep, then compare its tables with the trials that ran."""
    run = settings["run"]
    ran = Path(run).with_suffix(".ran")
    ran.parent.mkdir(parents=True, exist_ok=True)
    ran.unlink(missing_ok=True)
    os.environ[RAN] = str(ran)
    sweep = load_sweep(SPACE, [f"search.trials={settings['trials']}"])
    sweep = replace(sweep, hardware=HardwareValues("fp32", 2, 0.0))  # nothing is computed
    watching = Watching()
    commits: list[float] = []
    with lock_run(run, resume=False) as hold:
        sink = open_sink(sweep, hold, {})

        def commit(record: TrialRecord) -> None:
            start = time.perf_counter()
            sink.commit(record)
            commits.append(time.perf_counter() - start)

        start = time.perf_counter()
        run_sweep(sweep, replace(sink, commit=commit), watching, trainable=NoOpTrial)
        seconds = time.perf_counter() - start
    return {
        "seconds_sweep": seconds,
        "finished_at_s": [each - start for each in watching.finished_at],
        "memory_mib": watching.memory_mib,
        "commit_s": commits,
        **compare_with_tables(run, ran.read_text(encoding="utf-8").split()),
    }


def compare_with_tables(run: str, ran: Sequence[str]) -> Raw:
    """Return the trials that are missing in the tables, those stored twice, and those with wrong rows."""
    from lookahead_ray import store

    stored: Counter[str] = Counter()
    mixed_up = []
    for record in store.open(run).each_record():
        stored[record.trial_id] += 1
        if not _is_its_own(record):
            mixed_up.append(record.trial_id)
    launched = Counter(ran)
    return {
        "trials": stored.total(),
        "lost": sorted((launched - stored).elements()),
        "doubled": sorted(name for name, count in (stored | launched).items() if count > 1),
        "mixed_up": mixed_up,
    }


def _is_its_own(record: TrialRecord) -> bool:
    job = Job(record.trial_id, record.role, record.config, record.params, "")
    return record.generations == measurement(job).generations


class Watching:
    """An observer that records when trials end, and the driver's memory at these times."""

    def __init__(self) -> None:
        self.finished_at: list[float] = []
        self.memory_mib: list[tuple[float, float]] = []  # resident, and the shared part of it
        self._process = psutil.Process()

    def sweep_started(
        self, sweep_id: str, run: str, trials: int, committed: Sequence[TrialRecord], log: str
    ) -> None:
        print(f"{trials} trials into {run}, log {log}", flush=True)

    def trial_started(self, trial_id: str, role: Role, label: str) -> None: ...
    def trial_restarted(self, trial_id: str, restarts: int, most: int) -> None: ...
    def trial_set_aside(self, trial_id: str, error: str, attempts: int, most: int) -> None: ...

    def trial_progress(self, trial_id: str, progress: TrialProgress) -> None: ...

    def trial_finished(self, record: TrialRecord) -> None:
        self.finished_at.append(time.perf_counter())
        memory = self._process.memory_info()
        self.memory_mib.append((memory.rss / MIB, memory.shared / MIB))

    def budget(self, text: str) -> None: ...

    def sweep_finished(self, interrupted: bool) -> None:
        print("interrupted" if interrupted else "finished", flush=True)
