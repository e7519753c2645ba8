"""Disk cache of paid scores: one small file each, written atomically."""

import json
import os
import tempfile
from pathlib import Path


def default_directory() -> Path:
    """Return `lookahead-ray/judge` in the user's cache directory."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "lookahead-ray" / "judge"


class ScoreCache:
    """Scores by key, a SHA-256 in hex. Several threads and processes may use one directory."""

    def __init__(self, directory: Path) -> None:
        """Create the directory. Raises OSError if that fails."""
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory

    def get(self, key: str) -> int | None:
        """Return the score, 1 to 5; None if there is none or its file is damaged."""
        try:
            score = json.loads(self._path(key).read_bytes())["score"]
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return score if type(score) is int and 1 <= score <= 5 else None

    def put(self, key: str, score: int) -> None:
        """Store the score. Raises OSError."""
        path = self._path(key)
        path.parent.mkdir(exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
        try:
            with open(descriptor, "w", encoding="ascii") as file:
                json.dump({"score": score}, file)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def _path(self, key: str) -> Path:
        return self._directory / key[:2] / f"{key}.json"
