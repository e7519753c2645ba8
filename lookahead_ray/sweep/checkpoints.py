"""Where running trials keep their checkpoints: a folder each in the run's directory."""

import shutil
from pathlib import Path

from lookahead_ray.trial.job import Checkpoints

FOLDER = "checkpoints"


class CheckpointFolder:
    """`RUN/checkpoints`; a run at a URL has none, so its trials begin anew when they are started again."""

    def __init__(self, run: str, every_epochs: int | None) -> None:
        self._every = every_epochs
        self._folder = None if "://" in run or every_epochs is None else Path(run).absolute() / FOLDER

    def of(self, trial_id: str) -> Checkpoints | None:
        """A trial's own; the folder above it is there then."""
        if self._folder is None or self._every is None:
            return None
        self._folder.mkdir(parents=True, exist_ok=True)
        return Checkpoints(str(self._folder / trial_id), self._every)

    def remove(self, trial_id: str) -> None:
        """Of a trial that is committed nothing is kept."""
        if self._folder is not None:
            shutil.rmtree(self._folder / trial_id, ignore_errors=True)
