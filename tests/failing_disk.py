"""Calls of the operating system that fail, for files below one directory: by error and number of the call.

Calls that Python announces to audit hooks are counted (open, rename, mkdir, unlink, symlink, listing), fsync,
and writes to files that `pathlib` opened.
"""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ERRORS = (errno.EIO, errno.ENOSPC, errno.EMFILE, errno.EROFS)
PERSISTENT = (errno.ENOSPC, errno.EROFS)  # every later call fails too, until the disk is mended
_PATHS = {"os.rename": 0, "os.mkdir": 0, "os.remove": 0, "os.symlink": 1, "os.truncate": 0, "os.rmdir": 0}
_LISTINGS = {"os.listdir": 0, "os.scandir": 0}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class FailingDisk:
    """The calls so far; the call `number` fails with `error`."""

    active: "FailingDisk | None" = None

    def __init__(self, root: Path, error: int, number: int) -> None:
        self.calls: list[str] = []
        self.failed = False
        self._root, self._error, self._number = f"{root.resolve()}/", error, number

    def call(self, kind: str, path: object) -> None:
        """Count a call; raise OSError if it is to fail. `kind` is that of the call."""
        if not self._fails(kind) or not isinstance(path, str | os.PathLike):
            return
        if not f"{os.path.abspath(os.fspath(path))}/".startswith(self._root):
            return
        self.calls.append(f"{kind} {os.path.basename(os.fspath(path))}")
        count = len(self.calls) - 1
        if count == self._number or (count > self._number and self._error in PERSISTENT):
            self.failed = True
            raise OSError(self._error, os.strerror(self._error))

    def _fails(self, kind: str) -> bool:
        """Return whether calls of a kind can fail with the error at all."""
        match self._error:
            case errno.ENOSPC:
                return kind in ("create", "write", "fsync", "os.rename", "os.mkdir", "os.symlink")
            case errno.EMFILE:
                return kind in ("open", "create") or kind in _LISTINGS
            case errno.EROFS:
                return kind != "open" and kind not in _LISTINGS
        return True


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if FailingDisk.active is None:
        return
    if event == "open":
        path, mode, flags = arguments
        writes = flags & _WRITES or (isinstance(mode, str) and set(mode) & set("wax+"))
        FailingDisk.active.call("create" if writes else "open", path)
    elif event in _PATHS or event in _LISTINGS:
        FailingDisk.active.call(event, arguments[{**_PATHS, **_LISTINGS}[event]])


_hooked: list[bool] = []


@contextmanager
def failing_disk(root: Path, error: int, number: int) -> Iterator[FailingDisk]:
    """Let a call below `root` fail during the block: the one after `number` calls, and later ones too if the
    error is `PERSISTENT`."""
    if not _hooked:
        sys.addaudithook(_hook)  # it can't be removed
        _hooked.append(True)
    disk = FailingDisk(root, error, number)
    fsync, opens = os.fsync, Path.open

    def failing_fsync(descriptor: int) -> None:
        disk.call("fsync", os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    def opened(path: Path, *arguments: Any, **options: Any) -> Any:
        file = opens(path, *arguments, **options)
        if isinstance(file, io.BufferedWriter):
            return _Written(file.detach(), path, disk)
        return file

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", failing_fsync)
        patch.setattr(Path, "open", opened)
        FailingDisk.active = disk
        try:
            yield disk
        finally:
            FailingDisk.active = None


class _Written(io.BufferedWriter):
    def __init__(self, raw: io.RawIOBase, path: Path, disk: FailingDisk) -> None:
        super().__init__(raw)
        self._path, self._disk = path, disk

    def write(self, content: Any) -> int:
        self._disk.call("write", self._path)
        return super().write(content)
