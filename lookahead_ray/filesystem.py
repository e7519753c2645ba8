"""fsspec file systems: opened without listing caches, with retries on transient failures."""

import errno
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

T = TypeVar("T")
PATIENCE_S = 120.0
PAUSE_S = 0.5  # doubled each time
LONGEST_PAUSE_S = 10.0
PARALLEL_REMOVALS = 8
FULL = (errno.ENOSPC, errno.EDQUOT)
FINAL = (
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

_answered: set[str] = set()


def is_url(place: str) -> bool:
    """Return whether `place` is an fsspec URL rather than a local path."""
    return "://" in place


def open_filesystem(place: str) -> tuple[AbstractFileSystem, str]:
    """Return the file system of a path or URL, without listing cache, and the path without protocol."""
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
    until = time.monotonic() + PATIENCE_S
    pause = PAUSE_S
    while True:
        try:
            given = call(*arguments, **options)
        except FileNotFoundError:
            _answered.add(name)
            raise
        except Exception as error:
            waits = expected or name in _answered
            if not waits or _is_final(error) or time.monotonic() + pause > until:
                raise
            logging.getLogger(__name__).warning("storage: %s; retrying in %g s", error, pause)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
        else:
            _answered.add(name)
            return given


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


def _is_final(error: Exception) -> bool:
    return isinstance(error, FINAL) or (isinstance(error, OSError) and error.errno in FULL)
