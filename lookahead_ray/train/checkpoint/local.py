"""Atomic DeepSpeed checkpoints in a directory, from which a training resumes as if never interrupted.

    <directory>/epoch-2/…         DeepSpeed's files: trained weights, optimiser, learning rate schedule
    <directory>/checkpoint.json   written last: names the folder and holds the steps so far

The files are read without running code that they could contain (`plain_files`), as worker machines can write
them.
"""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch.distributed as dist

from lookahead_ray.filesystem import replacing, sync
from lookahead_ray.train.checkpoint import plain_files
from lookahead_ray.train.checkpoint.tolerant import collecting_failures
from lookahead_ray.train.process_group import gather_everywhere
from lookahead_ray.train.step import Step

CHECKPOINT_FILE = "checkpoint.json"
OF_A_RANK = re.compile(r"zero_pp_rank_(\d+)_")
OPTIMISER_BYTES = 12  # per trained weight: its fp32 copy and two moments


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The content of `checkpoint.json`: the progress of a training."""

    config_hash: str  # of the trial
    world_size: int  # number of ranks; ZeRO shards can only be loaded by the same number, unless elastic
    epoch: int  # epochs done
    steps: tuple[Step, ...]
    state: dict[str, Any]  # JSON values of the caller
    files: dict[str, int]  # DeepSpeed's files: name -> bytes

    @property
    def folder(self) -> str:
        """Return the name of the folder of DeepSpeed's files in the checkpoint directory."""
        return f"epoch-{self.epoch}"

    def content(self) -> bytes:
        """Return the JSON bytes that `parsed` reads."""
        return json.dumps(asdict(self)).encode()


def save(
    engine: Any,
    directory: Path,
    *,
    config_hash: str,
    epoch: int,
    steps: Sequence[Step],
    state: dict[str, Any],
    at_once: int = 1,
) -> str | None:
    """Write a checkpoint, then remove the previous one; all ranks must call this together, between steps.

    Returns None, or the reason of a failure, after which the previous checkpoint is still valid: the disk has
    too little space, some rank does not see `directory`'s parent, which is then not on a shared disk, or the
    file system failed.

    Args:
        at_once: number of trainings that may write to the same disk at the same time.
    """
    leads = dist.get_rank() == 0
    if not all(gather_everywhere(has_disk_space(engine, directory.parent, at_once))):
        return f"no room in {directory.parent}, or not every machine has it"
    made = Checkpoint(config_hash, dist.get_world_size(), epoch, tuple(steps), state, {})
    if leads:
        shutil.rmtree(directory / made.folder, ignore_errors=True)  # left by a writer that was killed
    with collecting_failures(engine) as failures:
        # All ranks wait for rank 0 before they write, and for each other before it returns.
        engine.save_checkpoint(
            str(directory), tag=made.folder, save_latest=False, exclude_frozen_parameters=True
        )
    failed = next((part[0] for part in gather_everywhere(failures) if part), None)
    if leads and failed is None:
        try:
            _commit(directory, made)
        except OSError as error:
            failed = f"{type(error).__name__}: {error}"
    failed = gather_everywhere(failed)[0]
    if leads and failed and not _is_last(directory, made):  # it takes the room that other trials need
        shutil.rmtree(directory / made.folder, ignore_errors=True)
    return failed


def _is_last(directory: Path, made: Checkpoint) -> bool:
    """Return whether `checkpoint.json` names `made`, as it does if only the sync after its rename failed."""
    found = read_checkpoint(directory)
    return found is not None and found.folder == made.folder


def read_checkpoint(directory: Path) -> Checkpoint | None:
    """Return the last completely written checkpoint; None if missing or of another format version."""
    try:
        return parsed((directory / CHECKPOINT_FILE).read_bytes())
    except FileNotFoundError:
        return None


def parsed(content: bytes) -> Checkpoint | None:
    """Return the checkpoint in a `checkpoint.json`; None if it is of another version or incomplete."""
    try:
        fields = json.loads(content)
        steps = tuple(Step(**step) for step in fields.pop("steps"))
        found = Checkpoint(steps=steps, **fields)
        return found if type(found.epoch) is int else None  # it is a part of the folder's path
    except (ValueError, TypeError, KeyError):
        return None


def unfit(
    checkpoint: Checkpoint, files: Mapping[str, int], config_hash: str, world_size: int, elastic: bool = False
) -> str | None:
    """Return the reason why a training can't resume from `checkpoint`; None if it can.

    Args:
        files: files in the checkpoint's folder, name -> bytes.
        elastic: whether the checkpoint can also be loaded by fewer ranks.
    """
    if checkpoint.config_hash != config_hash:
        return "it belongs to another configuration"
    if world_size != checkpoint.world_size and not (elastic and world_size < checkpoint.world_size):
        return f"it has {checkpoint.world_size} ranks, not {world_size}"
    if checkpoint.files != files:
        return "its files are incomplete"
    return None


def load(engine: Any, directory: Path, checkpoint: Checkpoint, elastic: bool = False) -> str | None:
    """Restore weights, optimiser and schedule; all ranks must call this together.

    `engine` must be new and of the same configuration, and `checkpoint` fit for it. If both are `elastic`,
    the checkpoint may be of more ranks. Returns None, or why a file is refused on some rank; `engine` is then
    unchanged.
    """
    needed = [name for name in checkpoint.files if elastic or rank_of(name) in (None, dist.get_rank())]
    refused = plain_files.find_unsafe_file(directory / checkpoint.folder / name for name in needed)
    if refused := next(filter(None, gather_everywhere(refused)), None):
        return refused
    engine.checkpoint_engine.load = plain_files.read
    frozen = any(not weight.requires_grad for weight in engine.module.parameters())
    engine.load_checkpoint(
        str(directory),
        tag=checkpoint.folder,
        load_module_strict=not frozen,
        load_optimizer_states=not elastic,
    )
    if elastic:
        _load_optimiser(engine, directory, checkpoint)
    return None


def _load_optimiser(engine: Any, directory: Path, checkpoint: Checkpoint) -> None:
    """Assemble this rank's part from the parts of all ranks, which the engine's own loading refuses to do."""
    names = {rank_of(name): name for name in checkpoint.files}
    parts = []
    for rank in range(checkpoint.world_size):
        path = directory / checkpoint.folder / names[rank]
        part = plain_files.read(path, map_location="cpu")["optimizer_state_dict"]
        # DeepSpeed reads the step where its own optimisers store it; torch's is in the state itself
        parts.append({"base_optimizer_state_step": len(checkpoint.steps), **part})
    engine.optimizer.load_state_dict(parts, load_from_fp32_weights=True)
    for group, rate in zip(engine.optimizer.param_groups, engine.lr_scheduler.get_last_lr(), strict=True):
        group["lr"] = rate


def rank_of(name: str) -> int | None:
    """Return the rank whose optimiser part a checkpoint file holds; None if all ranks need the file."""
    found = OF_A_RANK.search(name)
    return int(found[1]) if found else None


def _commit(directory: Path, made: Checkpoint) -> None:
    folder = directory / made.folder
    for path in [*folder.iterdir(), folder]:
        sync(path)
    with replacing(directory / CHECKPOINT_FILE) as file:
        file.write(replace(made, files=sizes(folder)).content())
    for path in directory.glob("epoch-*"):
        if path != folder:
            shutil.rmtree(path, ignore_errors=True)


def has_disk_space(engine: Any, directory: Path, checkpoints: int = 1) -> bool:
    """Return whether `directory` exists and its disk has space for so many checkpoints."""
    if not directory.is_dir():
        return False
    weights = [weight for weight in engine.module.parameters() if weight.requires_grad]
    needed = sum(weight.numel() * (weight.element_size() + OPTIMISER_BYTES) for weight in weights)
    return bool(shutil.disk_usage(directory).free > 1.1 * needed * checkpoints)


def sizes(folder: Path) -> dict[str, int]:
    """Return name -> bytes of the files in a folder; empty if the folder does not exist."""
    return {path.name: path.stat().st_size for path in folder.iterdir()} if folder.is_dir() else {}
