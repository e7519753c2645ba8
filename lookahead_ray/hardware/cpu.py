"""The CPU cores that this process may use."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
"""Lines such as `0::/system.slice/my.service` (version 2) or `4:cpu,cpuacct:/docker/12ab` (version 1)."""


def usable_cores(cgroups: Path = CGROUPS, own: Path = OWN) -> int:
    """Return the cores of this process's affinity mask, or fewer where a container's quota allows fewer."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([affinity, *_quotas(cgroups, own)]))


def _quotas(cgroups: Path, own: Path) -> Iterator[int]:
    """Yield the quotas, in whole cores rounded up, of the process's groups and of the groups above them."""
    for folder in _groups(cgroups, own):
        try:
            if (folder / "cpu.max").is_file():  # version 2: `200000 100000`, or `max 100000` without a quota
                quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
            else:
                quota = (folder / "cpu.cfs_quota_us").read_text(encoding="ascii")  # -1 without a quota
                period = (folder / "cpu.cfs_period_us").read_text(encoding="ascii")
            if int(quota) > 0:
                yield math.ceil(int(quota) / int(period))
        except (OSError, ValueError, ZeroDivisionError):
            continue  # no group, or no quota


def _groups(cgroups: Path, own: Path) -> Iterator[Path]:
    """Yield the folders of the groups. A container sees its own group as the root, under any path."""
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    yield cgroups
    yield from (cgroups / name for name in ("cpu", "cpu,cpuacct"))
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        for root in (cgroups, cgroups / controllers) if controllers else (cgroups,):
            folder = root / path.lstrip("/")
            if ".." in folder.parts:  # outside of what this process sees
                continue
            while folder != root and root in folder.parents:
                yield folder
                folder = folder.parent
