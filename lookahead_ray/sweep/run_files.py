"""Files of a run other than tables: logs, the study's journal, pictures.

The driver writes them on its machine and copies them to a run at a URL, because that machine may disappear.
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from lookahead_ray.errors import StoreError
from lookahead_ray.filesystem import is_url, open_filesystem, with_retries

LOG, JOURNAL, ATTEMPTS = "driver.log", "study.journal", "attempts.json"
FILES = (LOG, JOURNAL, ATTEMPTS)


class RemoteCopy:
    """A copy of the local `FILES` at a run's URL; a local run needs none.

    The tables are authoritative, these files follow them: a failed copy is logged and repaired by the next.
    """

    def __init__(self, run: str, name: str, keep: Callable[[str, bytes], None]) -> None:
        """Create a copy; `keep` writes a file to the run."""
        self._run = run
        self._keep = keep
        self._here = {file: local_run_file(run, file, name) for file in FILES}

    def fetch(self) -> None:
        """Download the study and the attempts, in place of older ones on this machine.

        Raises:
            StoreError: they can't be read.
        """
        if is_url(self._run):
            for file in (JOURNAL, ATTEMPTS):
                self._fetch(file)

    def push(self, files: Sequence[str] = FILES) -> None:
        """Copy the local files to the URL."""
        if not is_url(self._run):
            return
        try:
            for file in files:
                path = self._here[file]
                if path.is_file():
                    self._keep(file, path.read_bytes())
        except (StoreError, OSError) as error:
            logging.getLogger(__name__).warning("%s: not copied: %s", self._run, error)

    def _fetch(self, file: str) -> None:
        try:
            fs, root = open_filesystem(self._run)
            content = with_retries(fs, fs.cat_file, f"{root}/{file}")
        except FileNotFoundError:
            self._here[file].unlink(missing_ok=True)
        except Exception as error:  # each file system's library has its own
            raise StoreError(f"{self._run}/{file}: cannot read: {error}") from error
        else:
            self._here[file].parent.mkdir(parents=True, exist_ok=True)
            self._here[file].write_bytes(content)


def local_run_file(run: str, file: str, name: str) -> Path:
    """Return the path of a run's file that is written on this machine, not through the store.

    It is in the run's directory or, for a run at a URL, in `runs/` here, with `name` and part of the URL's
    hash prepended.
    """
    if not is_url(run):
        return Path(run) / file
    # two runs of one name may be active at once
    which = hashlib.sha256(run.rstrip("/").encode()).hexdigest()[:6]
    return Path("runs", f"{name}-{which}-{file}")
