"""Checkpoints at a URL, for ranks that share no disk: each writes its part on its own and uploads that.

The same files as in `checkpoint`, under the URL in place of the directory: `checkpoint.json` comes last, and
the checkpoint before it goes after that.
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
from lookahead_ray.train.checkpoint.local import FILE, Checkpoint
from lookahead_ray.train.process_group import gather_everywhere
from lookahead_ray.train.step import Step


class RemoteCheckpoints:
    """The checkpoints of one training under `url`; `$TMPDIR` holds what comes and goes.

    Every method raises what the file system's library does where that can't be reached.
    """

    def __init__(self, url: str) -> None:
        self._fs, self._root = open_filesystem(url)

    def save(
        self, engine: Any, *, config_hash: str, epoch: int, steps: Sequence[Step], state: dict[str, Any]
    ) -> str | None:
        """Write a checkpoint, then remove the one before; every rank calls this together, after a whole step.

        None, or in a few words why there is none: then the one before stays.
        """
        made = Checkpoint(config_hash, dist.get_world_size(), epoch, tuple(steps), state, {})
        with tempfile.TemporaryDirectory(prefix="lookahead-ray-") as scratch:
            if not all(gather_everywhere(local.has_disk_space(engine, Path(scratch)))):
                return f"too little room in {tempfile.gettempdir()}"
            folder = Path(scratch, made.folder)
            folder.mkdir()
            engine.save_checkpoint(
                scratch, tag=made.folder, save_latest=False, exclude_frozen_parameters=True
            )
            parts = gather_everywhere(self._upload(folder))
        if failed := next((part for part in parts if isinstance(part, str)), None):
            return failed
        told = None
        if dist.get_rank() == 0:
            told = self._commit(
                replace(made, files={name: size for part in parts for name, size in part.items()})
            )
        return next(filter(None, gather_everywhere(told)), None)

    def read(self) -> Checkpoint | None:
        """The last checkpoint that was written whole; None if there is none."""
        try:
            content = with_retries(self._fs, self._fs.cat_file, self._path(FILE), expected=True)
        except FileNotFoundError:
            return None
        return local.parsed(content)

    def sizes(self, found: Checkpoint) -> dict[str, int]:
        """Name -> bytes of the files that are there for a checkpoint."""
        listed = with_retries(self._fs, self._fs.find, self._path(found.folder), detail=True)
        return {path.rsplit("/", 1)[-1]: int(info["size"]) for path, info in listed.items()}

    def load(self, engine: Any, found: Checkpoint, elastic: bool = False) -> None:
        """Put weights, optimiser and schedule where they were; every rank calls this together.

        `elastic`: each needs all ranks' parts, as they were others.
        """
        with tempfile.TemporaryDirectory(prefix="lookahead-ray-") as scratch:
            folder = Path(scratch, found.folder)
            folder.mkdir()
            for name in found.files:
                if elastic or local.rank_of(name) in (None, dist.get_rank()):
                    self._download(f"{found.folder}/{name}", folder / name)
                else:
                    (folder / name).touch()  # DeepSpeed wants it there, and doesn't read it
            local.load(engine, Path(scratch), found, elastic)

    def _upload(self, folder: Path) -> dict[str, int] | str:
        try:
            with_retries(self._fs, self._fs.makedirs, self._path(folder.name), exist_ok=True, expected=True)
            for path in folder.iterdir():
                target = self._path(f"{folder.name}/{path.name}")
                with_retries(self._fs, self._fs.put_file, str(path), target, expected=True)
        except Exception as error:  # each library has its own
            return f"{type(error).__name__}: {error}"
        return local.sizes(folder)

    def _download(self, name: str, path: Path) -> None:
        with_retries(self._fs, self._fs.get_file, self._path(name), str(path))

    def _commit(self, made: Checkpoint) -> str | None:
        try:
            with_retries(self._fs, self._fs.pipe_file, self._path(FILE), made.content())
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        with suppress(Exception):  # the next one tries again
            for path in self._fs.ls(self._root, detail=False):
                name = path.rstrip("/").rsplit("/", 1)[-1]
                if name.startswith("epoch-") and name != made.folder:
                    remove_folder(self._fs, self._path(name))
        return None

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"
