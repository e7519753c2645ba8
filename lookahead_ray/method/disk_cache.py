"""Results that cost time, on disk by content hash: found whole or not at all."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lookahead_ray.config.load import content_hash

LONGEST_S = 1200.0  # that one waits for what another makes; well below when ranks give up on each other


class Cache:
    """One JSON file for each key, `<folder>/<first two digits>/<key>.json`, with a checksum of its value.

    Files are written beside their place and renamed, so that a killed process leaves none half-written. A
    file that is damaged all the same counts as missing and is written anew.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: str) -> Path:
        """Where the value of `key` is or would be."""
        return self.folder / key[:2] / f"{key}.json"

    def get(self, key: str) -> Any:
        """The JSON value kept for `key`; None if there is none, or none that is whole."""
        try:
            kept = json.loads(self.path(key).read_bytes())
            whole = kept["key"] == key and kept["sha256"] == content_hash(kept["value"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return kept["value"] if whole else None

    def put(self, key: str, value: Any) -> None:
        """Keep a JSON value other than None. Raises OSError if the folder cannot be written to."""
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"key": key, "sha256": content_hash(value), "value": value})
        handle, partial = tempfile.mkstemp(prefix=".", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(partial, path)
        except BaseException:
            os.unlink(partial)
            raise

    @contextmanager
    def alone(self, key: str, longest_s: float = LONGEST_S) -> Iterator[None]:
        """Inside, no other process of this machine is with the same `key`: trials that run side by side don't
        all make the same, the first one does. A process that dies lets the next one in, as does `longest_s`.
        """
        path = self.path(key).with_suffix(".lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, timeout=longest_s)
        try:
            lock.acquire()
        except Timeout:  # it is only made twice
            yield
            return
        try:
            yield
        finally:
            lock.release()
