"""The page docs/faults.md: `make faults` writes its first table, `make local-faults` its second."""

import os
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path

from tests.cluster.submitted import STEPS_PER_EPOCH
from tests.sweep.local_faults.counts import Counts

PAGE = "LOOKAHEAD_RAY_FAULTS"
"""Environment variable with the path of the page to write."""
HEAD = """# Faults

Faults injected into a sweep of a tiny model. The cluster was started with `ray up` from hosts on one machine
(network, PID and mount namespaces, each with its own sshd; 2 cores in all). Each trial had two ranks on two
hosts and a checkpoint after each epoch of {steps} steps. `make faults` writes this table, and fails unless
the sweep ends after each fault with the same trials and exactly the same results as an undisturbed sweep
(nearly the same losses if it continued with fewer ranks).

| fault | injected by | lost | until training had passed the same point |
| --- | --- | --- | --- |
"""
MIDDLE = """
Most of the time is spent on detecting the loss and on starting processes. Here a host is considered lost
after about 4 s of silence (`RAY_health_check_*`); Ray's default is over a minute.

## On one machine

The same for sweeps without a cluster, of trials with one rank and epochs of 4 steps. `make local-faults`
writes this table, and fails unless its last four columns are 0: committed rows (of all tables) that are
missing after the sweep was completed, rows that are there twice, processes that outlive the sweep, and
trials whose result is not exactly that of an undisturbed sweep.

"""
BEGIN, END = "<!-- written by make local-faults -->\n", "<!-- end of what make local-faults writes -->\n"
LOCAL_HEAD = """| fault | injected by | lost | until training had passed the same point | rows lost | doubled | orphans | judged by an outage |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""  # noqa: E501
FOOT = """
- **Committed trials** are never lost. A restarted trial continues from its last checkpoint, so it loses at
  most one epoch, times `search.checkpoint_epochs`; a checkpoint that can't be written is skipped.
- **A process or machine is lost**: the trial is restarted, at most `search.max_failures` times; a spot
  warning counts too. Then it has failed through the infrastructure.
- **Ray on the head dies**: its driver ends within about a minute, and no process stays. `--resume` continues,
  on another head if the run is at a URL. If the control service (GCS) died, Ray itself ends the driver: with
  exit code 1 and no line on the terminal; `driver.log` has the cause ("Failed to connect to GCS").
- **Infrastructure failures** (a full disk, storage, the hub, GPU memory that other processes hold,
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


@dataclass(frozen=True)
class CountedRow(Row):
    """A row of the second table."""

    counts: Counts

    @property
    def line(self) -> str:
        counts = " | ".join(str(count) for count in astuple(self.counts))
        return f"{super().line.rstrip()} {counts} |\n"


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
            write(Path(page), self.rows)


def write(page: Path, rows: Sequence[Row]) -> None:
    """Write rows to the page, each to its table; other rows of the page are kept, in their order."""
    cluster, local = written(page)
    for row in rows:
        (local if isinstance(row, CountedRow) else cluster)[row.fault] = row.line
    second = [BEGIN, LOCAL_HEAD, *local.values(), END]
    text = "".join((HEAD.format(steps=STEPS_PER_EPOCH), *cluster.values(), MIDDLE, *second, FOOT))
    page.write_text(text, encoding="utf-8")


def written(page: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return fault -> its row, for the first and the second table of the page."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    first, _, second = text.partition(BEGIN)
    return _rows(first), _rows(second.partition(END)[0])


def _rows(text: str) -> dict[str, str]:
    lines = text.splitlines(keepends=True)
    rows = [line for line in lines if line.startswith("| ") and not line.startswith(("| fault", "| ---"))]
    return {row.split(" | ")[0].removeprefix("| "): row for row in rows}
