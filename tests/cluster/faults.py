"""A sweep on a cluster during a fault; `tests.faults_page` writes what it survived."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from lookahead_ray.trial.record import TrialRecord
from tests.cluster.submitted import SLOWER, Submitted


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
