"""Results that cost time, on disk by content hash: found whole or not at all."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from lookahead_ray.config.load import content_hash


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
