"""Checkpoint policy of a trial: when to write one, and whether to resume from an existing one."""

import logging
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch.distributed as dist

from lookahead_ray.config.load import content_hash, trial_json
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.filesystem import is_url
from lookahead_ray.train.checkpoint import local
from lookahead_ray.train.checkpoint.local import Checkpoint, unfit
from lookahead_ray.train.checkpoint.remote import RemoteCheckpoints
from lookahead_ray.train.engine import used_stage
from lookahead_ray.train.process_group import gather_everywhere
from lookahead_ray.train.step import Step
from lookahead_ray.trial.job import Checkpoints
from lookahead_ray.trial.progress import Phase

if TYPE_CHECKING:
    from deepspeed import DeepSpeedEngine

PACKAGES = ("torch", "deepspeed")
"""Packages whose version must match for a checkpoint to be resumed."""


class CheckpointManager:
    """The checkpoints of one trial on this rank; if `checkpoints` is None, nothing is read or written.

    With `elastic`, checkpoints can be loaded by fewer ranks than wrote them.
    `report` is called with a phase and a short message. The phase is `saving` only while a new checkpoint is
    written, and another one after a failed write: from `saving` to `training` is progress that will be kept.
    """

    def __init__(
        self, checkpoints: Checkpoints | None, config: TrialConfig, report: Callable[[Phase, str], None]
    ) -> None:
        self._place = place_of(checkpoints.place) if checkpoints else None
        self._every = checkpoints.every_epochs if checkpoints else 1
        self._at_once = checkpoints.at_once if checkpoints else 1
        self._failed = False  # whether the last write failed, which is logged once
        self.elastic = (
            checkpoints is not None
            and checkpoints.elastic
            and config.training.zero_stage > 0
            and config.resources.workers > 1
        )
        stage = used_stage(config.training, config.resources.workers, self.elastic)
        versions = (f"{name} {version(name)}" for name in PACKAGES)
        self._config_hash = content_hash([trial_json(config), f"ZeRO {stage}", *versions])
        self._epochs = config.training.epochs
        self._report = report

    def restore(self, engine: "DeepSpeedEngine") -> Checkpoint | None:
        """Restore `engine` from the last checkpoint, if there is one that fits on every rank."""
        if self._place is None:
            return None
        found: Checkpoint | None = gather_everywhere(self._place.read())[0]
        if found is None:
            return None
        reason = unfit(
            found, self._place.sizes(found), self._config_hash, dist.get_world_size(), self.elastic
        )
        reason = next(filter(None, gather_everywhere(reason)), None)
        if reason := reason or self._place.load(engine, found, self.elastic):
            self._report("building", f"existing checkpoint not used: {reason}")
            return None
        self._report("building", f"resuming after epoch {found.epoch}")
        return found

    def save(self, engine: "DeepSpeedEngine", steps: Sequence[Step], state: dict[str, Any]) -> None:
        """Write a checkpoint after an epoch if one is due; none is due after the last epoch."""
        epoch = round(steps[-1].epoch)
        if self._place is None or epoch >= self._epochs or epoch % self._every:
            return
        self._report("saving", "writing a checkpoint")
        failed = self._place.save(
            engine,
            config_hash=self._config_hash,
            epoch=epoch,
            steps=steps,
            state=state,
            at_once=self._at_once,
        )
        if failed:
            message = f"no checkpoint after epoch {epoch}: {failed}; the trial goes on"
            self._report("measuring", message)
            if not self._failed:
                logging.getLogger(__name__).warning("%s", message)
        self._failed = failed is not None


def place_of(place: str) -> "CheckpointStore":
    """Return the store of a trial's checkpoints, in a directory that all ranks share or at a URL."""
    return RemoteCheckpoints(place) if is_url(place) else LocalCheckpoints(Path(place))


class CheckpointStore(Protocol):
    """The interface of a checkpoint store; see `RemoteCheckpoints`."""

    def save(
        self,
        engine: "DeepSpeedEngine",
        *,
        config_hash: str,
        epoch: int,
        steps: Sequence[Step],
        state: dict[str, Any],
        at_once: int = 1,
    ) -> str | None: ...
    def read(self) -> Checkpoint | None: ...
    def sizes(self, found: Checkpoint) -> Mapping[str, int]: ...
    def load(self, engine: "DeepSpeedEngine", found: Checkpoint, elastic: bool = False) -> str | None: ...


class LocalCheckpoints:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def save(self, engine: "DeepSpeedEngine", **fields: Any) -> str | None:
        return local.save(engine, self._directory, **fields)

    def read(self) -> Checkpoint | None:
        return local.read_checkpoint(self._directory)

    def sizes(self, found: Checkpoint) -> Mapping[str, int]:
        return local.sizes(self._directory / found.folder)

    def load(self, engine: "DeepSpeedEngine", found: Checkpoint, elastic: bool = False) -> str | None:
        return local.load(engine, self._directory, found, elastic)
