"""Checkpoints of a training that can go on as if it had never ended: DeepSpeed's, whole or not there.

    <directory>/epoch-2/…         DeepSpeed's files: trained weights, optimiser, learning rate schedule
    <directory>/checkpoint.json   written last: names the folder, and holds the steps so far

DeepSpeed unpickles its files, so a directory of checkpoints is trusted as the run directory is that holds it.
"""

import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from lookahead_ray.train.process_group import gather_everywhere
from lookahead_ray.train.step import Step

FILE = "checkpoint.json"
OF_A_RANK = re.compile(r"zero_pp_rank_(\d+)_")
OPTIMISER_BYTES = 12  # of each trained weight: its fp32 copy and two moments


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a training came: `checkpoint.json`."""

    config_hash: str  # of the trial
    world_size: int  # ranks; ZeRO's files are no others' use
    epoch: int  # epochs done
    steps: tuple[Step, ...]
    state: dict[str, Any]  # JSON values of the caller's
    files: dict[str, int]  # of DeepSpeed: name -> bytes

    @property
    def folder(self) -> str:
        """Where DeepSpeed's files are, in the checkpoints' directory."""
        return f"epoch-{self.epoch}"

    def content(self) -> bytes:
        """As `parsed` reads it."""
        return json.dumps(asdict(self)).encode()


def save(
    engine: Any,
    directory: Path,
    *,
    config_hash: str,
    epoch: int,
    steps: Sequence[Step],
    state: dict[str, Any],
) -> bool:
    """Write a checkpoint, then remove the one before; every rank calls this together, after a whole step.

    False, with nothing written, if there is no room for it, or if the ranks do not all see `directory`'s
    parent: then it is not on a disk that they share.

    Raises:
        OSError: the file system failed.
    """
    leads = dist.get_rank() == 0
    if not all(gather_everywhere(has_disk_space(engine, directory.parent))):
        return False
    made = Checkpoint(config_hash, dist.get_world_size(), epoch, tuple(steps), state, {})
    if leads:
        shutil.rmtree(directory / made.folder, ignore_errors=True)  # left by a writer that was killed
    # Its ranks wait for the first one before they write, and for each other before it returns.
    engine.save_checkpoint(str(directory), tag=made.folder, save_latest=False, exclude_frozen_parameters=True)
    if leads:
        _commit(directory, made)
    return True


def read(directory: Path) -> Checkpoint | None:
    """The last checkpoint that was written whole; None if there is none, or one of another version's."""
    try:
        return parsed((directory / FILE).read_bytes())
    except FileNotFoundError:
        return None


def parsed(content: bytes) -> Checkpoint | None:
    """The checkpoint in a `checkpoint.json`; None if it is another version's, or not whole."""
    try:
        fields = json.loads(content)
        steps = tuple(Step(**step) for step in fields.pop("steps"))
        return Checkpoint(steps=steps, **fields)
    except (ValueError, TypeError, KeyError):
        return None


def unfit(
    checkpoint: Checkpoint, files: Mapping[str, int], config_hash: str, world_size: int, elastic: bool = False
) -> str | None:
    """Why a training can't go on from `checkpoint`, in a few words; None if it can.

    Args:
        files: those in its folder, name -> bytes.
        elastic: whether it was written for fewer ranks too.
    """
    if checkpoint.config_hash != config_hash:
        return "it is another configuration's"
    if world_size != checkpoint.world_size and not (elastic and world_size < checkpoint.world_size):
        return f"it has {checkpoint.world_size} ranks, not {world_size}"
    if checkpoint.files != files:
        return "its files are not whole"
    return None


def load(engine: Any, directory: Path, checkpoint: Checkpoint, elastic: bool = False) -> None:
    """Put weights, optimiser and schedule where they were; every rank calls this together.

    `engine` is a new one of the same configuration; `checkpoint` is fit for it. `elastic`: both are,
    so that it may be that of more ranks.
    """
    frozen = any(not weight.requires_grad for weight in engine.module.parameters())
    engine.load_checkpoint(
        str(directory),
        tag=checkpoint.folder,
        load_module_strict=not frozen,
        load_optimizer_states=not elastic,
    )
    if elastic:
        _load_optimiser(engine, directory, checkpoint)


def _load_optimiser(engine: Any, directory: Path, checkpoint: Checkpoint) -> None:
    """Put this rank's part together from all ranks', which the engine's own loading refuses to do."""
    names = {rank_of(name): name for name in checkpoint.files}
    parts = []
    for rank in range(checkpoint.world_size):
        path = directory / checkpoint.folder / names[rank]
        part = torch.load(path, map_location="cpu", weights_only=False)["optimizer_state_dict"]
        # DeepSpeed looks for the step where its own optimisers have it; torch's is in the state itself
        parts.append({"base_optimizer_state_step": len(checkpoint.steps), **part})
    engine.optimizer.load_state_dict(parts, load_from_fp32_weights=True)
    for group, rate in zip(engine.optimizer.param_groups, engine.lr_scheduler.get_last_lr(), strict=True):
        group["lr"] = rate


def rank_of(name: str) -> int | None:
    """Whose part of the optimiser a file of a checkpoint is; None: all ranks need it."""
    found = OF_A_RANK.search(name)
    return int(found[1]) if found else None


def _commit(directory: Path, made: Checkpoint) -> None:
    folder = directory / made.folder
    for path in [*folder.iterdir(), folder]:
        _sync(path)
    temporary = directory / f".{FILE}.tmp"
    temporary.write_bytes(replace(made, files=sizes(folder)).content())
    _sync(temporary)
    temporary.replace(directory / FILE)
    _sync(directory)
    for path in directory.glob("epoch-*"):
        if path != folder:
            shutil.rmtree(path, ignore_errors=True)


def has_disk_space(engine: Any, directory: Path) -> bool:
    """Whether `directory` is there, and its disk has room for a checkpoint."""
    if not directory.is_dir():
        return False
    weights = [weight for weight in engine.module.parameters() if weight.requires_grad]
    needed = sum(weight.numel() * (weight.element_size() + OPTIMISER_BYTES) for weight in weights)
    return bool(shutil.disk_usage(directory).free > 1.1 * needed)


def sizes(folder: Path) -> dict[str, int]:
    """Name -> bytes of the files in a folder; empty if there is none."""
    return {path.name: path.stat().st_size for path in folder.iterdir()} if folder.is_dir() else {}


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
