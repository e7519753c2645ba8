"""The memory that this machine's processes may use."""

import os
from pathlib import Path

CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Limits of a container under cgroup v2 and v1, in bytes; `max` or a huge number without one."""


def usable_memory(limits: tuple[Path, ...] = CGROUP_LIMITS) -> int | None:
    """Return the machine's memory in bytes, or less where a container may use less; None if unknown."""
    try:
        found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    except (AttributeError, ValueError, OSError):
        found = []
    for path in limits:
        try:
            found.append(int(path.read_text(encoding="ascii")))
        except (OSError, ValueError):
            continue  # another version of cgroups, or no limit
    return min((amount for amount in found if amount > 0), default=None)
