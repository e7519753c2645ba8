"""How this process gets main memory from the system."""

import ctypes
from contextlib import suppress

MMAP_MAX, TRIM_THRESHOLD, ARENA_MAX = -4, -1, -8  # of mallopt(3)


def keep_freed() -> None:
    """Have glibc keep what is freed for what comes next, until `give_back`.

    By default it asks the system anew for each large tensor, which fills it with zeros page by page: a
    quarter of a small model's training step on CPUs. Without glibc nothing happens. A thread that asked for
    memory before has a heap of its own, which is not kept, unless MALLOC_ARENA_MAX=1 was in the environment
    when the process began.
    """
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(MMAP_MAX, 0)
        libc.mallopt(TRIM_THRESHOLD, -1)
        libc.mallopt(ARENA_MAX, 1)


def give_back() -> None:
    """Give freed memory back to the system."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
