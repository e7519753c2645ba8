"""Checkpoint folders of running trials: one per trial, in the run's directory or under its URL."""

import logging
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from lookahead_ray.filesystem import is_url, open_filesystem, remove_folder, with_retries
from lookahead_ray.trial.job import Checkpoints

FOLDER = "checkpoints"


class CheckpointFolder:
    """The folder `RUN/checkpoints`."""

    def __init__(self, run: str, every_epochs: int | None, elastic: bool = False) -> None:
        self._every, self._elastic = every_epochs, elastic
        self.at_once = 1  # trials that may run at the same time
        self._url = is_url(run)
        self._folder = f"{run.rstrip('/')}/{FOLDER}" if self._url else str(Path(run).absolute() / FOLDER)

    def of(self, trial_id: str) -> Checkpoints | None:
        """Return a trial's checkpoint settings, None if none are written; create a local parent folder.

        A folder that can't be created costs checkpoints, which the trial says, not trials.
        """
        if self._every is None:
            return None
        if not self._url:
            with suppress(OSError):
                Path(self._folder).mkdir(parents=True, exist_ok=True)
        return Checkpoints(f"{self._folder}/{trial_id}", self._every, self._elastic, self.at_once)

    def remove(self, trial_ids: Collection[str]) -> None:
        """Remove the checkpoints of committed trials; log what can't be removed."""
        try:
            fs, folder = open_filesystem(self._folder)
            there = {
                path.rstrip("/").rsplit("/", 1)[-1] for path in with_retries(fs, fs.ls, folder, detail=False)
            }
            for trial_id in there.intersection(trial_ids):
                remove_folder(fs, f"{folder}/{trial_id}")
        except FileNotFoundError:
            return
        except Exception as error:  # each file system's library raises its own types
            logging.getLogger(__name__).warning("%s: checkpoints stay: %s", self._folder, error)
