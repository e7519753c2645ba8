"""Files that the driver writes on its machine, copied to a run at a URL: that machine may go away."""

import logging

from lookahead_ray.errors import StoreError
from lookahead_ray.remote import is_url, opened, patiently
from lookahead_ray.sweep.places import beside

LOG, JOURNAL = "driver.log", "study.journal"
FILES = (LOG, JOURNAL)


class Mirror:
    """Keeps `RUN/driver.log` and `RUN/study.journal` at a URL like those here; a local run's are the same.

    The tables are the truth and these follow: what fails is logged, and made good by the next copy.
    """

    def __init__(self, run: str, name: str) -> None:
        self._run = run
        self._here = {file: beside(run, file, name) for file in FILES}

    def fetch(self) -> None:
        """Take up the study as it is there, in place of one that was left on this machine.

        Raises:
            StoreError: it can't be read.
        """
        if not is_url(self._run):
            return
        try:
            fs, root = opened(self._run)
            content = patiently(fs, fs.cat_file, f"{root}/{JOURNAL}")
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
            fs, root = opened(self._run)
            for file, path in self._here.items():
                if path.is_file():
                    patiently(fs, fs.pipe_file, f"{root}/{file}", path.read_bytes())
        except Exception as error:  # each file system's library has its own
            logging.getLogger(__name__).warning("%s: not copied: %s", self._run, error)
