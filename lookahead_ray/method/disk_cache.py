"""A disk cache of slow results, keyed by content hash; a lookup returns a whole value or none."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lookahead_ray.config.load import content_hash

LONGEST_S = 1200.0  # maximum wait for another process's result; well below the ranks' collective timeout


class Cache:
    """One JSON file for each key, `<folder>/<first two digits>/<key>.json`, with a checksum of its value.

    A file is written under a temporary name and renamed, so that a killed process leaves none half-written.
    A damaged file counts as missing and is written again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, key: str) -> Path:
        """Return the path of the file for `key`, whether it exists or not."""
        return self.folder / key[:2] / f"{key}.json"

    def get(self, key: str) -> Any:
        """Return the JSON value stored for `key`; None if it is missing or damaged."""
        try:
            kept = json.loads(self.path(key).read_bytes())
            whole = kept["key"] == key and kept["sha256"] == content_hash(kept["value"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return kept["value"] if whole else None

    def put(self, key: str, value: Any) -> None:
        """Store a JSON value other than None. Raises OSError if the folder cannot be written to."""
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
        """Exclude other processes of this machine from `key` for the duration, so that of concurrent trials
        only the first computes a value. The lock ends with its process; after `longest_s` it is ignored.
        """
        path = self.path(key).with_suffix(".lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, timeout=longest_s)
        try:
            lock.acquire()
        except Timeout:  # harmless: the value is computed twice
            yield
            return
        try:
            yield
        finally:
            lock.release()
