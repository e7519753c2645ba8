"""Memory and descriptors of a sweep's processes by their kind, and its shared memory, while it runs."""

import os
import shutil
import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psutil
import pytest

from tests.sweep.processes import SweepProcess

DRIVER, TRIAL, RANK, ACTOR, IDLE, SERVICE = "driver", "trial", "rank", "actor", "idle", "service"
KINDS = (DRIVER, TRIAL, RANK, ACTOR, IDLE, SERVICE)
SHARED = "/dev/shm"
TITLES = {
    "ray::ResourceTrainable": TRIAL,
    "ray::TuneTrial": TRIAL,
    "ray::RayTrainWorker": RANK,
    "ray::IDLE": IDLE,
    "ray::": ACTOR,
}
"""Beginning of a process's title -> its kind; the first that fits counts."""
SNAPSHOTS, PAUSE_S = 5, 0.3  # of which the median is a sample
MIB = 2.0**20


@dataclass(frozen=True)
class Sample:
    """Medians of a few snapshots, by kind of process."""

    trials: int  # committed ones
    seconds: float  # since the sweep was started
    mib: Mapping[str, float]  # private memory (USS) of the largest process; used space for `SHARED`
    files: Mapping[str, float]  # open descriptors of the process with the most
    processes: Mapping[str, float]  # number of processes

    def line(self) -> str:
        """Return the sample as a row of a table: MiB, descriptors, processes of each kind."""
        kinds = "  ".join(
            f"{kind} {self.mib[kind]:.1f}/{self.files[kind]:.0f}/{self.processes[kind]:.0f}"
            for kind in KINDS
            if kind in self.processes
        )
        return f"{self.trials:5d} trials {self.seconds:6.0f} s  {kinds}  {SHARED} {self.mib[SHARED]:.1f}"


class OwnSharedMemory:
    """A /dev/shm of a sweep's own, so that what other processes keep in there is not measured.

    `prefix` starts a command with it, as `SweepProcess` expects.
    """

    def __init__(self) -> None:
        """Skip the test where no file system can be mounted."""
        shell, unshare = shutil.which("sh"), shutil.which("unshare")
        script = 'mount -t tmpfs shared "$0" && exec "$@"'
        self.prefix = (unshare or "", "--mount", shell or "", "-c", script, SHARED)
        done = subprocess.run([*self.prefix, "true"], check=False, capture_output=True) if unshare else None
        if done is None or done.returncode:
            pytest.skip("a /dev/shm of its own needs root and the program unshare")

    @staticmethod
    def used_mib(process: subprocess.Popen[bytes]) -> float:
        """Return the space that is used in the /dev/shm of a process."""
        place = f"/proc/{process.pid}/root{SHARED}"
        assert os.stat(place).st_dev != os.stat(SHARED).st_dev
        found = os.statvfs(place)
        return (found.f_blocks - found.f_bfree) * found.f_frsize / MIB


def sample(sweep: SweepProcess, trials: int, started_s: float) -> Sample:
    """Measure the running sweep, which has committed so many `trials`."""
    memory, files, processes = [], [], []
    for _ in range(SNAPSHOTS):
        sizes, descriptors = _snapshot(sweep)
        memory.append({kind: max(each) for kind, each in sizes.items()})
        memory[-1][SHARED] = OwnSharedMemory.used_mib(sweep.process)
        files.append({kind: max(each) for kind, each in descriptors.items()})
        processes.append({kind: len(each) for kind, each in sizes.items()})
        time.sleep(PAUSE_S)
    seconds = time.monotonic() - started_s
    return Sample(trials, seconds, _medians(memory), _medians(files), _medians(processes))


def growth(samples: Sequence[Sample], values: str) -> dict[str, float]:
    """Return by how much the field `values` has grown in the second half, by kind of process.

    Both ends are medians of three samples.
    """
    middle, last = samples[len(samples) // 2 - 1 :][:3], samples[-3:]
    kinds = {kind for each in samples for kind in getattr(each, values)}
    ends = [_medians([getattr(each, values) for each in end]) for end in (middle, last)]
    return {kind: round(ends[1].get(kind, 0) - ends[0].get(kind, 0), 1) for kind in sorted(kinds)}


def _snapshot(sweep: SweepProcess) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return private MiB and open descriptors of each process, by kind, without those that end meanwhile."""
    memory: dict[str, list[float]] = defaultdict(list)
    files: dict[str, list[float]] = defaultdict(list)
    for process in (psutil.Process(sweep.process.pid), *sweep.left()):
        with suppress(psutil.NoSuchProcess):
            title = " ".join(process.cmdline())
            found = next((kind for begin, kind in TITLES.items() if title.startswith(begin)), SERVICE)
            kind = DRIVER if process.pid == sweep.process.pid else found
            size, descriptors = process.memory_full_info().uss / MIB, process.num_fds()
            memory[kind].append(size)
            files[kind].append(descriptors)
    return memory, files


def _medians(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    kinds = {kind for each in found for kind in each}
    return {kind: statistics.median(each.get(kind, 0.0) for each in found) for kind in kinds}
