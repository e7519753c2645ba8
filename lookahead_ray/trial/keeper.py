"""When a trial's training is written to disk, and whether it goes on from what is there."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch.distributed as dist

from lookahead_ray.train.checkpoint import Checkpoint, load, read, save, unfit
from lookahead_ray.train.process_group import gather_everywhere
from lookahead_ray.train.step import Step
from lookahead_ray.trial.job import Checkpoints


class Keeper:
    """The checkpoints of one trial on this rank; without any, nothing is read or written."""

    def __init__(self, checkpoints: Checkpoints | None, config_hash: str, epochs: int) -> None:
        self._directory = Path(checkpoints.directory) if checkpoints else None
        self._every = checkpoints.every_epochs if checkpoints else 1
        self._config_hash = config_hash
        self._epochs = epochs

    def restore(self, engine: Any) -> Checkpoint | None:
        """Put `engine` where the last checkpoint was, if there is one that fits on every rank."""
        if self._directory is None:
            return None
        found = read(self._directory)
        fits = found and not unfit(found, self._directory, self._config_hash, dist.get_world_size())
        if not all(gather_everywhere(bool(fits))) or found is None:
            return None
        load(engine, self._directory, found)
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
