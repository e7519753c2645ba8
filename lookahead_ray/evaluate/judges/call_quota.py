"""The count of a run's paid calls, over trials, ranks, restarts and `rejudge`.

    <run>/judge_calls/<id>.json     judge -> calls that one process has granted

Each process that grants calls writes its own file, before the calls are made, so no two writers ever meet
and a killed process leaves a count that is too high by a block for each rank at most. The sum of all files is
the run's. They are not fenced as `store` is: a driver that lost the run still counts what it spends.
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

    def take(self, judge: str, calls: int, limit: int) -> int:
        """Grant calls as `CallQuota.take`."""
        with self._lock:
            left = limit - self._granted[judge] - self._spent_elsewhere(judge)
            granted = max(0, min(calls, left, max(1, left // MOST_SHARES)))
            if not granted:
                return 0
            self._granted[judge] += granted
            try:
                self._save()
                # others may have taken calls in between: all withdraw then, so the limit is never exceeded
                over = self._granted[judge] + self._spent_elsewhere(judge) - limit
            except BaseException:
                self._granted[judge] -= granted
                raise
            if over > 0:
                self._granted[judge] -= min(over, granted)
                self._save()
            return granted - max(0, min(over, granted))

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

    def _spent_elsewhere(self, judge: str) -> int:
        """Return the calls that other processes have granted."""
        return 0


class RunQuota(LocalQuota):
    """The quota of the run at a path or URL, which any number of processes may use."""

    def __init__(self, run: str) -> None:
        super().__init__()
        self._run = run
        self._name = uuid.uuid4().hex
        self._fs, root = open_filesystem(run)
        self._path = f"{root}/{FOLDER}/{self._name}.json"

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
            raise StoreError(f"{self._path}: a judge's calls can't be counted: {error}") from error

    def _spent_elsewhere(self, judge: str) -> int:
        return calls_of(self._run, except_of=self._name)[judge]


def calls_of(run: str, except_of: str = "") -> Counter[str]:
    """Return judge -> calls that were granted in the run, but for those of the process with the given name.

    Raises StoreError if a count can't be read.
    """
    total: Counter[str] = Counter()
    try:
        fs, root = open_filesystem(run)
        for path in with_retries(fs, fs.find, f"{root}/{FOLDER}"):
            name = path.rpartition("/")[2].removesuffix(".json")
            if path.endswith(".json") and not name.startswith(".") and name != except_of:
                total.update(json.loads(with_retries(fs, fs.cat_file, path)))
    except Exception as error:
        raise StoreError(f"{run}/{FOLDER}: cannot be read: {' '.join(str(error).split())}") from error
    return total
