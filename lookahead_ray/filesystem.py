"""Atomic writes on this machine, and fsspec file systems with retries on transient failures."""

import errno
import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from fsspec import AbstractFileSystem, available_protocols
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential

from lookahead_ray.errors import LookaheadRayError

T = TypeVar("T")
PATIENCE_S = 120.0
PAUSE_S = 0.5  # doubled each time
LONGEST_PAUSE_S = 10.0
EXIT_S = 30.0
"""Seconds in which all retries end once a driver is about to end, see `limit_retries`."""
PARALLEL_REMOVALS = 8
FULL = (errno.ENOSPC, errno.EDQUOT)
FINAL_NUMBERS = (*FULL, errno.ENOSYS, errno.EROFS)
FINAL = (
    LookaheadRayError,
    FileNotFoundError,
    FileExistsError,
    PermissionError,
    IsADirectoryError,
    NotADirectoryError,
    ImportError,
    NotImplementedError,
    TypeError,
    ValueError,
)
"""Errors for which a retry is pointless."""

_ONE_SLASH = re.compile(r"([a-z][a-z0-9+.-]*):/")
_answered: set[str] = set()
_retries_end_s: float | None = None  # by the monotonic clock


def is_url(place: str) -> bool:
    """Return whether `place` is an fsspec URL rather than a local path."""
    return "://" in place


def open_filesystem(place: str) -> tuple[AbstractFileSystem, str]:
    """Return the file system of a path or URL, without listing cache, and the path without protocol.

    Raises:
        ValueError: the URL has one slash in place of two, as in `s3:/bucket/run`; as a path it would be a
            directory `s3:` on this machine.
    """
    if not is_url(place):
        protocol = _ONE_SLASH.match(place)
        if protocol and protocol[1] in available_protocols():
            raise ValueError(f"a URL must have two slashes after {protocol[0][:-1]!r}, got {place!r}")
        fs = LocalFileSystem()
        return fs, str(fs._strip_protocol(place)).rstrip("/")
    fs, path = url_to_fs(place, use_listings_cache=False)
    return fs, path.rstrip("/")


def with_retries(
    fs: AbstractFileSystem, call: Callable[..., T], *arguments: Any, expected: bool = False, **options: Any
) -> T:
    """Return the result of `call`; if it fails, retry it for at most `PATIENCE_S` seconds.

    Retries happen only if the file system has answered this process before, or is `expected` to answer: a
    wrong address and missing credentials are reported at once. The last exception of `call` is raised.
    """
    name = fs._fs_token

    def may_pass(error: BaseException) -> bool:
        return isinstance(error, Exception) and not _is_final(error) and (expected or name in _answered)

    retrying = Retrying(
        retry=retry_if_exception(may_pass),
        wait=wait_exponential(PAUSE_S, max=LONGEST_PAUSE_S),
        stop=_out_of_patience,
        before_sleep=_log_retry,
        reraise=True,
    )
    try:
        given = retrying(call, *arguments, **options)
    except FileNotFoundError:  # the file system has answered
        _answered.add(name)
        raise
    _answered.add(name)
    return given


def limit_retries(seconds: float) -> None:
    """End all retries of this process, running ones included, after so many seconds or an earlier limit.

    So a driver whose storage is gone ends in bounded time, whatever it still has to write. The limit holds
    until the end of the outermost `restoring_retry_limit`.
    """
    global _retries_end_s
    end_s = time.monotonic() + seconds
    _retries_end_s = end_s if _retries_end_s is None else min(_retries_end_s, end_s)


@contextmanager
def restoring_retry_limit() -> Iterator[None]:
    """Restore at the end of the block what was the limit of `limit_retries` before it."""
    global _retries_end_s
    before = _retries_end_s
    try:
        yield
    finally:
        _retries_end_s = before


def _out_of_patience(state: RetryCallState) -> bool:
    left_s = PATIENCE_S - (state.seconds_since_start or 0.0)
    if _retries_end_s is not None:
        left_s = min(left_s, _retries_end_s - time.monotonic())
    return state.upcoming_sleep > left_s


def remove_folder(fs: AbstractFileSystem, folder: str) -> None:
    """Delete `folder` and all files below it; do nothing if it does not exist.

    `fs.rm` treats a path as a pattern: `runs/lr[1e]` would delete `runs/lr1` and `runs/lre`. Here
    `[`, `]`, `*` and `?` are literal. Raises the exceptions of the file system's library.
    """
    if isinstance(fs, LocalFileSystem):  # does not use patterns and does not follow links
        with suppress(FileNotFoundError):
            fs.rm(folder, recursive=True)
        return
    found = with_retries(fs, fs.find, folder, withdirs=True, detail=True)
    own = {path: info["type"] for path, info in found.items() if f"{path}/".startswith(f"{folder}/")}

    def remove(file: str) -> None:
        with suppress(FileNotFoundError):  # removed by another process, or by a request with a lost response
            with_retries(fs, fs.rm_file, file)

    with ThreadPoolExecutor(PARALLEL_REMOVALS) as pool:
        list(pool.map(remove, (path for path, kind in own.items() if kind != "directory")))
    folders = {folder, *(path for path, kind in own.items() if kind == "directory")}
    for path in sorted(folders, reverse=True):  # the deepest first
        with suppress(Exception):  # object stores have no folders
            fs.rmdir(path)


@contextmanager
def replacing(path: Path, *, shared: bool = False) -> Iterator[BinaryIO]:
    """Yield a binary file that replaces the local file `path` when the block ends; if it raises, none does.

    A reader sees the old or the new content, never a part. The new content is on disk when the block has
    ended, so it survives a power failure.

    Args:
        shared: whether several processes may write `path` at the same time. Each then writes its own
            temporary file; otherwise the next writer overwrites the temporary file of a killed one.

    Raises:
        OSError: the file can't be written.
    """
    unique = f".{secrets.token_hex(4)}" if shared else ""
    temporary = path.with_name(f".{path.name}{unique}.tmp")
    with temporary.open("xb" if shared else "wb") as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
    sync(path.parent)


def sync(path: Path) -> None:
    """Wait until a local file or directory is on disk; some file systems can only sync files.

    Raises:
        OSError: it can't be written.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    logging.getLogger(__name__).warning("storage: %s; retrying in %g s", error, state.upcoming_sleep)


def _is_final(error: Exception) -> bool:
    return isinstance(error, FINAL) or (isinstance(error, OSError) and error.errno in FINAL_NUMBERS)
