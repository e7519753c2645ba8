"""Checkpoints at a URL, for ranks without a shared disk: each rank writes its part locally and uploads it.

The files are those of `local`, under the URL in place of the directory: `checkpoint.json` is written last,
and the previous checkpoint is removed after that.
"""

import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch.distributed as dist

from lookahead_ray.filesystem import open_filesystem, remove_folder, with_retries
from lookahead_ray.train.checkpoint import local
from lookahead_ray.train.checkpoint.local import CHECKPOINT_FILE, Checkpoint
from lookahead_ray.train.checkpoint.tolerant import collecting_failures
from lookahead_ray.train.process_group import gather_everywhere
from lookahead_ray.train.step import Step


class RemoteCheckpoints:
    """The checkpoints of one training under `url`; files in transit are in `$TMPDIR`.

    If the URL cannot be reached, every method raises the exception of the file system's library.
    """

    def __init__(self, url: str) -> None:
        self._fs, self._root = open_filesystem(url)

    def save(
        self,
        engine: Any,
        *,
        config_hash: str,
        epoch: int,
        steps: Sequence[Step],
        state: dict[str, Any],
        at_once: int = 1,
    ) -> str | None:
        """Write a checkpoint, then remove the previous one; all ranks must call this together, between steps.

        Returns None, or the reason of a failure, after which the previous checkpoint is still valid.

        Args:
            at_once: number of trainings that may write at the same time; of no account for a URL.
        """
        made = Checkpoint(config_hash, dist.get_world_size(), epoch, tuple(steps), state, {})
        with tempfile.TemporaryDirectory(prefix="lookahead-ray-") as scratch:
            if not all(gather_everywhere(local.has_disk_space(engine, Path(scratch)))):
                return f"too little room in {tempfile.gettempdir()}"
            folder = Path(scratch, made.folder)
            folder.mkdir()
            with collecting_failures(engine) as failures:
                engine.save_checkpoint(
                    scratch, tag=made.folder, save_latest=False, exclude_frozen_parameters=True
                )
            parts = gather_everywhere(failures[0] if failures else self._upload(folder))
        if failed := next((part for part in parts if isinstance(part, str)), None):
            return failed
        files = {name: size for part in parts if not isinstance(part, str) for name, size in part.items()}
        reason = self._commit(replace(made, files=files)) if dist.get_rank() == 0 else None
        return next(filter(None, gather_everywhere(reason)), None)

    def read(self) -> Checkpoint | None:
        """Return the last completely written checkpoint; None if there is none."""
        try:
            content = with_retries(self._fs, self._fs.cat_file, self._path(CHECKPOINT_FILE), expected=True)
        except FileNotFoundError:
            return None
        return local.parsed(content)

    def sizes(self, found: Checkpoint) -> dict[str, int]:
        """Return name -> bytes of the existing files of a checkpoint."""
        listed = with_retries(self._fs, self._fs.find, self._path(found.folder), detail=True)
        return {path.rsplit("/", 1)[-1]: int(info["size"]) for path, info in listed.items()}

    def load(self, engine: Any, found: Checkpoint, elastic: bool = False) -> str | None:
        """Restore weights, optimiser and schedule, or return why a file is refused, as `local.load`.

        With `elastic` each rank downloads the parts of all ranks, as their number may have changed.
        """
        with tempfile.TemporaryDirectory(prefix="lookahead-ray-") as scratch:
            folder = Path(scratch, found.folder)
            folder.mkdir()
            for name in found.files:
                if elastic or local.rank_of(name) in (None, dist.get_rank()):
                    self._download(f"{found.folder}/{name}", folder / name)
                else:
                    (folder / name).touch()  # DeepSpeed requires it to exist, but doesn't read it
            return local.load(engine, Path(scratch), found, elastic)

    def _upload(self, folder: Path) -> dict[str, int] | str:
        try:
            with_retries(self._fs, self._fs.makedirs, self._path(folder.name), exist_ok=True, expected=True)
            for path in folder.iterdir():
                target = self._path(f"{folder.name}/{path.name}")
                with_retries(self._fs, self._fs.put_file, str(path), target, expected=True)
        except Exception as error:  # each library raises its own type
            return f"{type(error).__name__}: {error}"
        return local.sizes(folder)

    def _download(self, name: str, path: Path) -> None:
        with_retries(self._fs, self._fs.get_file, self._path(name), str(path))

    def _commit(self, made: Checkpoint) -> str | None:
        try:
            with_retries(self._fs, self._fs.pipe_file, self._path(CHECKPOINT_FILE), made.content())
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        with suppress(Exception):  # the next checkpoint tries again
            for path in self._fs.ls(self._root, detail=False):
                name = path.rstrip("/").rsplit("/", 1)[-1]
                if name.startswith("epoch-") and name != made.folder:
                    remove_folder(self._fs, self._path(name))
        return None

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"
