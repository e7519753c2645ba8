"""Files about a run that are no tables: logs and pictures.

The driver writes them on its machine, and copies them to a run at a URL: that machine may go away.
"""

import hashlib
import logging
from pathlib import Path

from lookahead_ray.errors import StoreError
from lookahead_ray.filesystem import is_url, open_filesystem, with_retries

LOG, JOURNAL = "driver.log", "study.journal"
FILES = (LOG, JOURNAL)


class Mirror:
    """Keeps `RUN/driver.log` and `RUN/study.journal` at a URL like those here; a local run's are the same.

    The tables are the truth and these follow: what fails is logged, and made good by the next copy.
    """

    def __init__(self, run: str, name: str) -> None:
        self._run = run
        self._here = {file: local_run_file(run, file, name) for file in FILES}

    def fetch(self) -> None:
        """Take up the study as it is there, in place of one that was left on this machine.

        Raises:
            StoreError: it can't be read.
        """
        if not is_url(self._run):
            return
        try:
            fs, root = open_filesystem(self._run)
            content = with_retries(fs, fs.cat_file, f"{root}/{JOURNAL}")
        except FileNotFoundError:
            self._here[JOURNAL].unlink(missing_ok=True)
        except Exception as error:  # each file system's library has its own
            raise StoreError(f"{self._run}/{JOURNAL}: cannot read: {error}") from error
        else:
            self._here[JOURNAL].parent.mkdir(parents=True, exist_ok=True)
            self._here[JOURNAL].write_bytes(content)

    def push(self) -> None:
        """Copy what there is."""
        if not is_url(self._run):
            return
        try:
            fs, root = open_filesystem(self._run)
            for file, path in self._here.items():
                if path.is_file():
                    with_retries(fs, fs.pipe_file, f"{root}/{file}", path.read_bytes())
        except Exception as error:  # each file system's library has its own
            logging.getLogger(__name__).warning("%s: not copied: %s", self._run, error)


def local_run_file(run: str, file: str, name: str) -> Path:
    """Where a file about a run goes that is written on this machine, not through the store: into the run's
    directory, or under `runs/` here, with `name` and a part of the URL's hash in front,
    where the run is elsewhere."""
    if not is_url(run):
        return Path(run) / file
    which = hashlib.sha256(run.rstrip("/").encode()).hexdigest()[:6]  # two of one name may run at once
    return Path("runs", f"{name}-{which}-{file}")
