"""The file operations that a run needs, on any file system that fsspec supports.

Writes are atomic: locally by a temporary file, fsync, rename and fsync of the directory; object stores put an
object atomically. Nothing is cached: every listing queries the file system. Operations at a URL are retried
if the file system fails temporarily.

Text must be valid UTF-8, but models can write anything: each surrogate code point (never valid in UTF-8)
becomes U+FFFD; all other characters, including NUL, are kept.
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import pyarrow.fs
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from lookahead_ray.errors import StoreError
from lookahead_ray.filesystem import FULL, open_filesystem, replacing, sync, with_retries

T = TypeVar("T")
PARALLEL_READS = 8
CONDITION_FAILED = ("PreconditionFailed", "412")

SURROGATE = re.compile("[\ud800-\udfff]")


class Files:
    """Files below one directory, named relative to it: `tables/steps/t1.parquet`.

    `run` is a path or an fsspec URL (memory://, s3://, ...). Every method raises `StoreError` when the file
    system fails, except that reading a missing file raises `FileNotFoundError`.
    """

    def __init__(self, run: str, check: Callable[[], None] = lambda: None) -> None:
        """Open the file system.

        `check` is called before each request at a URL, repeated ones included, and each local write; it may
        raise.
        """
        self.run = run
        self._check = check
        with self._failing("open", ""):
            self.fs, self.root = open_filesystem(run)
        self.local = isinstance(self.fs, LocalFileSystem)

    def path(self, name: str) -> str:
        """Return the path of `name` on the file system, without a protocol."""
        return f"{self.root}/{name}"

    def arrow(self) -> pyarrow.fs.FileSystem:
        """Return the same file system for pyarrow; it accepts paths from `path`."""
        return pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(self.fs))

    def read(self, name: str) -> bytes:
        """Return a file's content. Raises `FileNotFoundError` if it is missing."""
        with self._failing("read", name):
            content: bytes = self._ask(self.fs.cat_file, self.path(name))
        return content

    def read_all(self, names: list[str]) -> list[bytes]:
        """Return the contents of `names`, in order. Raises `StoreError` if one is missing."""
        with ThreadPoolExecutor(PARALLEL_READS) as pool:
            try:
                return list(pool.map(self.read, names))
            except FileNotFoundError as error:
                raise StoreError(
                    f"{self.run}: a file was removed after the run was listed: {error}"
                ) from error

    def sizes(self, folder: str) -> dict[str, int]:
        """Return name -> bytes of all files below `folder`, including hidden ones; empty without a folder."""
        with self._failing("list", folder):
            if self.local:  # fsspec takes five times as long: seconds for tens of thousands of files
                return {path[len(self.root) + 1 :]: size for path, size in _sizes_local(self.path(folder))}
            found = self._ask(self.fs.find, self.path(folder), detail=True)
        return {path[len(self.root) + 1 :]: int(info["size"]) for path, info in found.items()}

    def write(self, name: str, content: bytes) -> None:
        """Write a file atomically, replacing an old one; the file is on disk when this returns."""
        with self._failing("write", name):
            if self.local:
                self._check()
                _write_local(Path(self.path(name)), content)
            else:
                self._ask(self.fs.pipe_file, self.path(name), content)

    def create(self, name: str, content: bytes) -> bool:
        """Create a file atomically; return False if it exists with another content.

        If it raises `StoreError`, a local file does not exist, except where it can't be removed. At a URL it
        may exist, now or later: a request can succeed whose answer is lost. Locally the caller must be the
        only writer of `name`.
        """
        with self._failing("write", name):
            if self.local:
                self._check()
                return _create_local(Path(self.path(name)), content)
            try:
                self._ask(_create, self.fs, self.path(name), content)
            except FileExistsError:
                with suppress(FileNotFoundError):
                    return self.read(name) == content  # equal: created by our request whose answer was lost
                return False
        return True

    def remove(self, name: str) -> None:
        """Remove a file; do nothing if it is missing."""
        with self._failing("remove", name), suppress(FileNotFoundError):
            self._ask(self.fs.rm_file, self.path(name))

    def _ask(self, call: Callable[..., T], *arguments: Any, **options: Any) -> T:
        if self.local:
            return call(*arguments, **options)

        def checked() -> T:
            self._check()
            return call(*arguments, **options)

        return with_retries(self.fs, checked)

    @contextmanager
    def _failing(self, action: str, name: str) -> Iterator[None]:
        # Object stores raise exceptions of their client library besides OSError, so all are caught.
        try:
            yield
        except StoreError:
            raise
        except Exception as error:
            if action == "read" and isinstance(error, FileNotFoundError):
                raise
            where = f"{self.run.rstrip('/')}/{name}" if name else self.run
            raise StoreError(f"{where}: cannot {action}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    strerror = error.strerror if isinstance(error, OSError) else None
    reason = strerror or " ".join(str(error).split()) or type(error).__name__
    full = isinstance(error, OSError) and error.errno in FULL
    return f"{reason}; free some space, then continue with --resume" if full else reason


def _sizes_local(folder: str) -> Iterator[tuple[str, int]]:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _sizes_local(entry.path)
            elif entry.is_file():
                with suppress(FileNotFoundError):  # a temporary file that was renamed meanwhile
                    yield entry.path, entry.stat().st_size


def make_directory(path: Path) -> None:
    """Create a local directory and its parents so that they survive a power failure."""
    if not path.is_dir():
        make_directory(path.parent)
        path.mkdir(exist_ok=True)
        try:
            sync(path.parent)
        except OSError:
            with suppress(OSError):
                path.rmdir()  # the next attempt must not take it for synced
            raise


def _write_local(path: Path, content: bytes) -> None:
    make_directory(path.parent)
    with replacing(path) as file:
        file.write(content)


def _create_local(path: Path, content: bytes) -> bool:
    """Create a file, or return whether it has this content; a file that may not last is removed again."""
    if path.exists():
        return path.read_bytes() == content
    try:
        _write_local(path, content)
    except OSError:  # the last step, the sync of the directory, may fail when the file is visible already
        with suppress(OSError):
            path.unlink(missing_ok=True)
        raise
    return True


def _create(fs: AbstractFileSystem, path: str, content: bytes) -> None:
    """Create an object, or raise `FileExistsError`, for which some S3 servers lead to another `OSError`."""
    try:
        fs.pipe_file(path, content, mode="create")
    except FileExistsError:
        raise
    except OSError as error:
        response = getattr(error.__cause__, "response", None)
        if isinstance(response, dict) and response.get("Error", {}).get("Code") in CONDITION_FAILED:
            raise FileExistsError(path) from error
        raise


def replace_surrogates(text: str) -> str:
    """Return `text` with U+FFFD for each surrogate code point."""
    return SURROGATE.sub("\ufffd", text)


def to_json(value: object, where: str, indent: int | None = None) -> str:
    """Return `value` as clean JSON text. Raises `StoreError` naming `where` if JSON lacks it (NaN)."""
    try:
        return replace_surrogates(json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise StoreError(f"{where}: must hold JSON values: {' '.join(str(error).split())}") from error
