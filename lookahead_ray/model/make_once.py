"""Directories in the cache that are made once, by one process, and made again if they are damaged."""

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock

from lookahead_ray.filesystem import replacing, sync


def make_once(target: Path, make: Callable[[Path], None]) -> Path:
    """Make the directory `target` unless it exists; it is whole or absent, even after a power failure.

    The sizes of its files are in `<target>.files.json` next to it. A directory whose files differ from them,
    such as one that an earlier version made before a power failure, is made again.
    """
    if is_whole(target):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_suffix(".lock")):
        if not is_whole(target):
            if target.exists():
                logging.getLogger(__name__).warning("%s: damaged, made again", target)
                shutil.rmtree(target)
            for left in target.parent.glob(f".{target.name}-*"):  # of killed processes: the lock is held
                shutil.rmtree(left, ignore_errors=True)
            partial = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
            try:
                make(partial)
                sync_all(partial)
                with replacing(_sizes_file(target)) as file:
                    file.write(json.dumps(_sizes(partial)).encode())
                partial.rename(target)
                sync(target.parent)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    return target


def is_whole(target: Path) -> bool:
    """Return whether a directory exists and its files have the lengths with which they were made.

    Directories of earlier versions have no list of lengths: there no file may be empty, and a safetensors
    file must be as long as its header says.
    """
    if not target.is_dir():
        return False
    try:
        expected: object = json.loads(_sizes_file(target).read_bytes())
    except FileNotFoundError:
        return all(map(_is_file_whole, _files(target)))
    except ValueError:
        return False
    return _sizes(target) == expected


def sync_all(directory: Path) -> None:
    """Wait until all files below a directory, and the directory, are on disk.

    Raises:
        OSError: they can't be written.
    """
    for folder, _, files in os.walk(directory):
        for name in files:
            sync(Path(folder, name))
        sync(Path(folder))


def _sizes_file(target: Path) -> Path:
    return target.with_name(f"{target.name}.files.json")


def _files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def _sizes(directory: Path) -> dict[str, int]:
    return {str(path.relative_to(directory)): path.stat().st_size for path in _files(directory)}


def _is_file_whole(path: Path) -> bool:
    size = path.stat().st_size
    if path.suffix != ".safetensors":
        return size > 0
    try:
        with path.open("rb") as file:
            header = int.from_bytes(file.read(8), "little")
            tensors: dict[str, Any] = json.loads(file.read(header)) if header < size else {}
        ends = [about["data_offsets"][1] for name, about in tensors.items() if name != "__metadata__"]
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return False
    return size == 8 + header + max(ends, default=0)
