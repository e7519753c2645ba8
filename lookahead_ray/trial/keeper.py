"""When a trial's training is written to disk, and whether it goes on from what is there."""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch.distributed as dist

from lookahead_ray.config.load import content_hash, trial_json
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.train.checkpoint import Checkpoint, load, read, save, unfit
from lookahead_ray.train.process_group import gather_everywhere
from lookahead_ray.train.step import Step
from lookahead_ray.trial.job import Checkpoints

PACKAGES = ("torch", "deepspeed")
"""Whose other versions may not go on from what they wrote."""


class Keeper:
    """The checkpoints of one trial on this rank; without any, nothing is read or written."""

    def __init__(self, checkpoints: Checkpoints | None, config: TrialConfig) -> None:
        self._directory = Path(checkpoints.directory) if checkpoints else None
        self._every = checkpoints.every_epochs if checkpoints else 1
        self._config_hash = content_hash(
            [trial_json(config), *(f"{name} {version(name)}" for name in PACKAGES)]
        )
        self._epochs = config.training.epochs

    def restore(self, engine: Any, say: Callable[[str], None]) -> Checkpoint | None:
        """Put `engine` where the last checkpoint was, if there is one that fits on every rank.

        `say` is told in a few words from where training goes on, or why not from what is there.
        """
        if self._directory is None:
            return None
        found: Checkpoint | None = gather_everywhere(read(self._directory))[0]
        if found is None:
            return None
        reasons = gather_everywhere(unfit(found, self._directory, self._config_hash, dist.get_world_size()))
        if reason := next(filter(None, reasons), None):
            say(f"not from the checkpoint that is there: {reason}")
            return None
        load(engine, self._directory, found)
        say(f"going on after epoch {found.epoch}")
        return found

    def save(self, engine: Any, steps: Sequence[Step], state: dict[str, Any]) -> None:
        """After an epoch: write a checkpoint where one is due; after the last one none is."""
        epoch = round(steps[-1].epoch)
        if self._directory is None or epoch >= self._epochs or epoch % self._every:
            return
        save(
            engine,
            self._directory,
            config_hash=self._config_hash,
            epoch=epoch,
            steps=steps,
            state=state,
        )
