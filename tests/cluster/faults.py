"""Faults that a sweep on a cluster survived, as a table: `make faults` writes docs/faults.md from it."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lookahead_ray.trial.record import TrialRecord
from tests.cluster.submitted import SLOWER, STEPS_PER_EPOCH, Submitted

PAGE = "LOOKAHEAD_RAY_FAULTS"
"""Environment variable with the path of the page to write."""
HEAD = """# Faults

Faults injected into a sweep of a tiny model. The cluster was started with `ray up` from hosts on one machine
(network, PID and mount namespaces, each with its own sshd; 2 cores in all). Each trial had two ranks on two
hosts and a checkpoint after each epoch of {steps} steps. `make faults` writes this page, and fails unless the
sweep ends after each fault with the same trials and exactly the same results as an undisturbed sweep (nearly
the same losses if it continued with fewer ranks).

| fault | injected by | lost | until training had passed the same point |
| --- | --- | --- | --- |
"""
FOOT = """
Most of the time is spent on detecting the loss and on starting processes. Here a host is considered lost
after about 4 s of silence (`RAY_health_check_*`); Ray's default is over a minute. The row "the judge is
down for an hour" and rows with "one machine" are of sweeps without a cluster
(`tests/sweep/test_judge_down.py`, `tests/sweep/test_surroundings_sweeps.py`).

- **Committed trials** are never lost. A restarted trial continues from its last checkpoint, so it loses at
  most one epoch, times `search.checkpoint_epochs`; a checkpoint that can't be written is skipped.
- **A process or machine is lost**: the trial is restarted, at most `search.max_failures` times; a spot
  warning counts too. Then it has failed through its surroundings.
- **Failures of the surroundings** (a full disk, storage, the hub, GPU memory that other processes hold,
  lost machines): the trial is not committed, and runs again after the search's other trials. After
  `search.max_attempts` attempts over all sessions it is committed as failed; a new checkpoint sets the
  count back. After `search.stop_after_failures` such failures in a row the sweep stops with exit code 75.
  Once the cause is fixed, `--resume` runs these trials again.
- **A commit fails**: at a URL requests are retried for two minutes first. The sweep stops with exit code 2.
  The finished trial is kept on the driver's disk; `--resume` on the same machine commits it, elsewhere the
  trial runs again.
- **A judge's endpoint is down**: calls are retried for `patience_s` (two minutes), then the trial is
  `unjudged`, see [metrics.md](metrics.md#intervals-and-unparsed-answers).
"""


@dataclass(frozen=True)
class Row:
    """One fault and its consequences."""

    fault: str
    how: str
    lost: str
    recovery_s: float | None  # None: no training was repeated

    @property
    def line(self) -> str:
        """Return the row in the table's format."""
        took = "–" if self.recovery_s is None else f"{self.recovery_s:.0f} s"
        return f"| {self.fault} | {self.how} | {self.lost} | {took} |\n"


@dataclass
class Faults:
    """A collector of rows, in the order of the faults."""

    rows: list[Row] = field(default_factory=list)

    def add(self, fault: str, how: str, lost: str, recovery_s: float | None) -> None:
        """Add a fault that a sweep survived."""
        self.rows.append(Row(fault, how, lost, recovery_s))
        duration = "nothing to recover" if recovery_s is None else f"{recovery_s:.0f} s"
        print(f"\n{fault}: {lost}; {duration}")

    def write(self) -> None:
        """Write the page if `PAGE` names one; rows of faults that were not tested this time are kept."""
        if (page := os.environ.get(PAGE)) and self.rows:
            lines = written(Path(page)) | {row.fault: row.line for row in self.rows}
            text = HEAD.format(steps=STEPS_PER_EPOCH) + "".join(lines.values()) + FOOT
            Path(page).write_text(text, encoding="utf-8")


def written(page: Path) -> dict[str, str]:
    """Return fault -> its row on the page."""
    lines = page.read_text(encoding="utf-8").splitlines(keepends=True) if page.exists() else []
    rows = [line for line in lines if line.startswith("| ") and not line.startswith(("| fault", "| ---"))]
    return {row.split(" | ")[0].removeprefix("| "): row for row in rows}


@contextmanager
def training(*sweeps: Submitted) -> Iterator[Submitted]:
    """Wait until the last of these sweeps trains, and yield it; close all at the end."""
    try:
        sweeps[-1].wait_for_epoch(3)
        yield sweeps[-1]
    finally:
        for sweep in sweeps:
            sweep.close()


def recovered(sweep: Submitted, before: int) -> float:
    """Return the seconds until a later epoch than `before` has a checkpoint, or the trial is committed."""
    start = time.monotonic()
    while not _is_further(sweep, before):
        assert sweep.process.poll() is None, sweep.text()
        assert time.monotonic() - start < SLOWER, f"not beyond epoch {before}:\n{sweep.text()}"
        time.sleep(0.1)
    return time.monotonic() - start


def _is_further(sweep: Submitted, before: int) -> bool:
    found = sweep.checkpoint()
    return (found is not None and found.epoch > before) or "finished: vanilla" in sweep.text()


def ends_as(sweep: Submitted, expected: dict[str, TrialRecord]) -> None:
    """Assert that the sweep ends with every trial once and equal to `expected`."""
    sweep.finish()
    assert sweep.essences() == expected
