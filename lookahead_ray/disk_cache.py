"""The cache directory, and a disk cache of slow or paid results that are keyed by content hash."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lookahead_ray.filesystem import replacing

CACHE_VARIABLE = "LOOKAHEAD_RAY_CACHE"
LONGEST_S = 1200.0  # maximum wait for another process's result; well below the ranks' collective timeout


def cache_dir() -> Path:
    """Return the directory of all caches: `$LOOKAHEAD_RAY_CACHE` or `lookahead-ray` in the user cache."""
    if configured := os.environ.get(CACHE_VARIABLE):
        return Path(configured).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(base).expanduser() / "lookahead-ray"
    except RuntimeError:  # this user has no home
        return Path(tempfile.gettempdir(), f"lookahead-ray-{os.getuid()}", "cache")


class DiskCache:
    """One JSON file for each key, `<folder>/<first two digits>/<key>.json`, with a checksum of its value.

    A lookup returns a whole value or none: files are written atomically, and a damaged file counts as
    missing. Several threads and processes may use one folder. Only the user can read the files, because
    values can hold texts of the user's data.
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
            whole = kept["key"] == key and kept["sha256"] == _checksum(kept["value"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return kept["value"] if whole else None

    def put(self, key: str, value: Any) -> None:
        """Store a JSON value other than None.

        Raises:
            OSError: the folder cannot be written to.
            ValueError: JSON cannot represent the value (NaN).
        """
        text = json.dumps({"key": key, "sha256": _checksum(value), "value": value})
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, shared=True) as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text.encode())

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


def _checksum(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
