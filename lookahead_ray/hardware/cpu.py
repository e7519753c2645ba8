"""The CPU cores that this process may use."""

import math
import os
from pathlib import Path

CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")
"""Quota and period in microseconds under cgroup v2, such as `200000 100000`; `max` without a quota."""


def usable_cores(cgroup_limit: Path = CGROUP_LIMIT) -> int:
    """Return the cores of this process's affinity mask, or fewer where a container's quota allows fewer."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(affinity, _cgroup_cores(cgroup_limit) or affinity))


def _cgroup_cores(path: Path) -> int | None:
    try:
        quota, period = path.read_text(encoding="ascii").split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return None  # no cgroup v2 here, or no quota
