"""Settings of glibc's memory allocator in this process."""

import ctypes
from contextlib import suppress

MMAP_MAX, TRIM_THRESHOLD, ARENA_MAX = -4, -1, -8  # of mallopt(3)


def keep_freed() -> None:
    """Make glibc keep freed memory for later allocations, until `give_back`.

    By default glibc maps memory again for each large tensor, and the kernel zeroes it page by page: a quarter
    of a small model's training step on CPUs. Without glibc nothing happens. A thread that allocated memory
    before this call has a separate heap, which is not kept, unless MALLOC_ARENA_MAX=1 was in the environment
    when the process started.
    """
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(MMAP_MAX, 0)
        libc.mallopt(TRIM_THRESHOLD, -1)
        libc.mallopt(ARENA_MAX, 1)


def give_back() -> None:
    """Return freed memory to the operating system."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
