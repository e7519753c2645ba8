"""The few file operations that a run needs, on any file system that fsspec reaches.

A write is whole or not there: locally a temporary file, fsync, rename, fsync of the directory; object stores
put an object atomically. Nothing is cached: every listing asks the file system. One at a URL that refuses
for a moment is waited for.

Text is what UTF-8 can hold. Models write anything: each surrogate code point (never valid in UTF-8) becomes
U+FFFD; all else, NULs included, is kept.
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
from fsspec.implementations.local import LocalFileSystem

from lookahead_ray.errors import StoreError
from lookahead_ray.filesystem import FULL, open_filesystem, with_retries

T = TypeVar("T")
PARALLEL_READS = 8

SURROGATE = re.compile("[\ud800-\udfff]")


class Files:
    """Files below one directory, named relative to it: `tables/steps/t1.parquet`.

    `run` is a path or an fsspec URL (memory://, s3://, ...). Every method raises `StoreError` when the file
    system fails, except that reading a file that is not there raises `FileNotFoundError`.
    """

    def __init__(self, run: str) -> None:
        self.run = run
        with self._failing("open", ""):
            self.fs, self.root = open_filesystem(run)
        self.local = isinstance(self.fs, LocalFileSystem)

    def path(self, name: str) -> str:
        """The path of `name` on the file system, without a protocol."""
        return f"{self.root}/{name}"

    def arrow(self) -> pyarrow.fs.FileSystem:
        """The same file system for pyarrow; takes paths from `path`."""
        return pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(self.fs))

    def read(self, name: str) -> bytes:
        """A file's content; `FileNotFoundError` if it isn't there."""
        with self._failing("read", name):
            content: bytes = self._ask(self.fs.cat_file, self.path(name))
        return content

    def read_all(self, names: list[str]) -> list[bytes]:
        """The contents of `names`, in order; `StoreError` if one isn't there."""
        with ThreadPoolExecutor(PARALLEL_READS) as pool:
            try:
                return list(pool.map(self.read, names))
            except FileNotFoundError as error:
                raise StoreError(f"{self.run}: a file is gone since the run was listed: {error}") from error

    def sizes(self, folder: str) -> dict[str, int]:
        """Name -> size in bytes of all files below `folder`, hidden ones too; empty if there is no folder."""
        with self._failing("list", folder):
            if self.local:  # fsspec takes five times as long, seconds for tens of thousands of files
                return {path[len(self.root) + 1 :]: size for path, size in _sizes_local(self.path(folder))}
            found = self._ask(self.fs.find, self.path(folder), detail=True)
        return {path[len(self.root) + 1 :]: int(info["size"]) for path, info in found.items()}

    def write(self, name: str, content: bytes) -> None:
        """Put a file there whole, replacing what was there; it has reached the disk when this returns."""
        with self._failing("write", name):
            if self.local:
                _write_local(Path(self.path(name)), content)
            else:
                self._ask(self.fs.pipe_file, self.path(name), content)

    def create(self, name: str, content: bytes) -> bool:
        """Put a file there whole, on a file system that is not local; False if there is one."""
        with self._failing("write", name):
            try:
                self._ask(self.fs.pipe_file, self.path(name), content, mode="create")
            except FileExistsError:
                return False
        return True

    def remove(self, name: str) -> None:
        """Take a file away, from a file system that is not local."""
        with self._failing("remove", name):
            self._ask(self.fs.rm_file, self.path(name))

    def _ask(self, call: Callable[..., T], *arguments: Any, **options: Any) -> T:
        if self.local:
            return call(*arguments, **options)
        return with_retries(self.fs, call, *arguments, **options)

    @contextmanager
    def _failing(self, action: str, name: str) -> Iterator[None]:
        # Object stores raise their client library's exceptions as well as OSError, so all of them are caught.
        try:
            yield
        except Exception as error:
            if action == "read" and isinstance(error, FileNotFoundError):
                raise
            where = f"{self.run.rstrip('/')}/{name}" if name else self.run
            raise StoreError(f"{where}: cannot {action}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    told = error.strerror if isinstance(error, OSError) else None
    reason = told or " ".join(str(error).split()) or type(error).__name__
    full = isinstance(error, OSError) and error.errno in FULL
    return f"{reason}; free some space, then go on with --resume" if full else reason


def _sizes_local(folder: str) -> Iterator[tuple[str, int]]:
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _sizes_local(entry.path)
            elif entry.is_file():
                with suppress(FileNotFoundError):  # a temporary one, renamed meanwhile
                    yield entry.path, entry.stat().st_size


def make_directory(path: Path) -> None:
    """Create a local directory and its parents so that they outlive a power failure."""
    if not path.is_dir():
        make_directory(path.parent)
        path.mkdir(exist_ok=True)
        _sync(path.parent)


def _write_local(path: Path, content: bytes) -> None:
    make_directory(path.parent)
    # One fixed name, so that what a killed writer left is overwritten by the next.
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()  # half a file on a full disk
        raise
    _sync(path.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clean(text: str) -> str:
    """`text` with U+FFFD for each surrogate code point."""
    return SURROGATE.sub("\ufffd", text)


def to_json(value: object, where: str, indent: int | None = None) -> str:
    """Clean JSON text; `StoreError` naming `where` if `value` holds what JSON cannot say, NaN for one."""
    try:
        return clean(json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise StoreError(f"{where}: must hold JSON values: {' '.join(str(error).split())}") from error
