"""Checkpoints of an alignment: written at most every few minutes, and after the last step."""

import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from lookahead_ray.config.align import AlignConfig
from lookahead_ray.config.load import content_hash
from lookahead_ray.train.checkpoint import local
from lookahead_ray.train.engine import used_stage
from lookahead_ray.train.step import Step

if TYPE_CHECKING:
    from deepspeed import DeepSpeedEngine

EVERY_S = 300.0
PACKAGES = ("torch", "deepspeed", "peft")
"""Packages whose version must match for a checkpoint to be resumed."""


class AlignmentCheckpoints:
    """The checkpoints of one alignment in a directory.

    `say` is called with a short message when training resumes, or a checkpoint can't be used or written.
    """

    def __init__(
        self,
        directory: Path,
        config: AlignConfig,
        data_hash: str,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        stage = used_stage(config.training, world_size=1)
        versions = (f"{name} {version(name)}" for name in PACKAGES)
        # the rows, and settings of the loss and the optimiser, decide a training, not what is measured
        settings = config.model_dump(mode="json", include={"model", "training", "opening_weight", "seed"})
        self._config_hash = content_hash([settings, data_hash, f"ZeRO {stage}", *versions])
        self._say = say
        self._clock = clock
        self._next_s = clock() + EVERY_S
        self._failed = False  # whether the last write failed, which is said once

    def restore(self, engine: "DeepSpeedEngine") -> list[Step]:
        """Restore `engine` from the last checkpoint, and return its steps; none if it can't be used."""
        found = local.read_checkpoint(self._directory)
        if found is None:
            return []
        files = local.sizes(self._directory / found.folder)
        reason = local.unfit(found, files, self._config_hash, world_size=1)
        if reason := reason or local.load(engine, self._directory, found):
            self._say(f"existing checkpoint not used: {reason}")
            return []
        self._say(f"resuming after step {len(found.steps)}")
        return list(found.steps)

    def save(self, engine: "DeepSpeedEngine", steps: Sequence[Step], is_last: bool) -> None:
        """Write a checkpoint after a step if one is due."""
        if not is_last and self._clock() < self._next_s:
            return
        self._directory.mkdir(parents=True, exist_ok=True)
        # the whole alignment is one epoch, so its folders are numbered by steps
        failed = local.save(
            engine, self._directory, config_hash=self._config_hash, epoch=len(steps), steps=steps, state={}
        )
        if failed and not self._failed:
            self._say(f"no checkpoint after step {len(steps)}: {failed}; the alignment goes on")
        self._failed = failed is not None
        self._next_s = self._clock() + EVERY_S
