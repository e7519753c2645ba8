"""The count of a run's paid calls, over trials, ranks, restarts and `rejudge`.

    <run>/judge_calls/<id>.json     judge -> calls that one process has granted

Each process that grants calls writes its own file, before the calls are made, so no two writers ever meet
and a killed process leaves a count that is too high by a block at most. The sum of all files is the run's.
"""

import json
import threading
import uuid
from collections import Counter
from pathlib import Path
from typing import Protocol

from fsspec.implementations.local import LocalFileSystem

from lookahead_ray.errors import StoreError
from lookahead_ray.filesystem import open_filesystem, replacing, with_retries

FOLDER = "judge_calls"
MOST_SHARES = 8
"""A block is at most this part of what is left, so that one rank can't hold all of the last calls."""


class CallQuota(Protocol):
    """A place that grants calls to judges, up to each judge's limit."""

    def take(self, judge: str, calls: int, limit: int) -> int:
        """Grant up to `calls` further calls and return their number; 0 if `limit` calls are spent.

        Raises:
            StoreError: the count can't be written, so nothing is granted.
        """

    def give_back(self, judge: str, calls: int) -> None:
        """Return granted calls that were not made. Raises nothing: they then stay counted."""


class LocalQuota:
    """A quota of one process, for judges outside a run. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._granted: Counter[str] = Counter()
        self._before: Counter[str] = Counter()  # by other processes

    def take(self, judge: str, calls: int, limit: int) -> int:
        """Grant calls as `CallQuota.take`."""
        with self._lock:
            left = limit - self._before[judge] - self._granted[judge]
            granted = max(0, min(calls, left, max(1, left // MOST_SHARES)))
            if granted:
                self._granted[judge] += granted
                try:
                    self._save()
                except BaseException:
                    self._granted[judge] -= granted
                    raise
            return granted

    def give_back(self, judge: str, calls: int) -> None:
        """Return calls as `CallQuota.give_back`."""
        with self._lock:
            self._granted[judge] -= calls
            try:
                self._save()
            except StoreError:
                self._granted[judge] += calls

    def _save(self) -> None:
        """Save the count."""


class RunQuota(LocalQuota):
    """The quota of the run at a path or URL.

    Counts of other processes are read once. Raises StoreError if they can't be read.
    """

    def __init__(self, run: str) -> None:
        super().__init__()
        self._before = calls_of(run)
        self._fs, root = open_filesystem(run)
        self._path = f"{root}/{FOLDER}/{uuid.uuid4().hex}.json"

    def _save(self) -> None:
        content = json.dumps(+self._granted).encode()
        try:
            if isinstance(self._fs, LocalFileSystem):
                path = Path(self._path)
                path.parent.mkdir(parents=True, exist_ok=True)
                with replacing(path) as file:
                    file.write(content)
            else:
                with_retries(self._fs, self._fs.pipe_file, self._path, content)
        except Exception as error:  # object stores raise exceptions of their client library
            raise StoreError(
                f"{self._path}: the count of a judge's calls can't be written: {error}"
            ) from error


def calls_of(run: str) -> Counter[str]:
    """Return judge -> calls that were granted in the run. Raises StoreError if a count can't be read."""
    total: Counter[str] = Counter()
    try:
        fs, root = open_filesystem(run)
        for path in with_retries(fs, fs.find, f"{root}/{FOLDER}"):
            if path.endswith(".json") and not path.rpartition("/")[2].startswith("."):
                total.update(json.loads(with_retries(fs, fs.cat_file, path)))
    except Exception as error:
        raise StoreError(f"{run}/{FOLDER}: cannot be read: {' '.join(str(error).split())}") from error
    return total
