"""Packing of a job's files: the files that git tracks, the space file, and the files that it names."""

import os
import shutil
import subprocess
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lookahead_ray.entrypoints.submit.secret_files import secret_in
from lookahead_ray.errors import ConfigError

NEVER = {".git", ".venv", "venv", "runs", "__pycache__"}
"""Names of files and directories that are never packed, even if git tracks or the space names them."""
IGNORE_FILES = {".gitignore", ".rayignore"}  # with them, Ray could leave out files that the space names
MOST_BYTES = 400 * 2**20  # Ray accepts packages of up to 500 MiB
MIB = 2**20


@dataclass(frozen=True)
class Selection:
    """The files of a job, by path relative to the project."""

    sizes: dict[Path, int] = field(default_factory=dict)  # bytes
    left_out: dict[Path, str] = field(default_factory=dict)  # with the reason

    @property
    def bytes(self) -> int:
        """Return the total size."""
        return sum(self.sizes.values())


def tracked(root: Path) -> list[Path]:
    """Return the files below `root` that git tracks, relative to it; none outside a checkout.

    Files of another owner are listed too, which git refuses by default because a repository's configuration
    can name programs to run; the one that `ls-files` would run is switched off.

    Raises:
        ConfigError: git is not installed, or can't read the checkout.
    """
    if not any((folder / ".git").exists() for folder in (root.resolve(), *root.resolve().parents)):
        return []
    command = [
        "git",
        "-c",
        "safe.directory=*",
        "-c",
        "core.fsmonitor=false",
        "-C",
        str(root),
        "ls-files",
        "-z",
    ]
    try:
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
    except FileNotFoundError as error:
        raise ConfigError("git must be installed: it lists the files to upload") from error
    if done.returncode:
        reason = " ".join(os.fsdecode(done.stderr).split())[:200]
        raise ConfigError(f"{root}: git can't list the files to upload: {reason}")
    return [Path(name) for name in os.fsdecode(done.stdout).split("\0") if name]


def select(root: Path, named: Iterable[Path], also: Collection[Path] = ()) -> Selection:
    """Select tracked and named files, and the contents of named directories.

    Left out are links to outside of `root`, `NEVER`, and files that may be secrets (`secret_files`), unless
    `also` contains them.

    Raises:
        ConfigError: more than `MOST_BYTES`, a named file is left out, or a file of `also` doesn't exist.
    """
    real = root.resolve()
    also = [Path(os.path.normpath(path)) for path in also]
    for path in also:
        if not (root / path).is_file():
            raise ConfigError(f"--also {path}: no such file")
    named = [*named, *also]
    chosen = [*tracked(root), *(file for path in named for file in _files(root, path))]
    sizes, left_out = {}, {}
    for path in dict.fromkeys(chosen):
        reason = _reason_to_stay(root, real, path, also)
        if reason is None:
            sizes[path] = (root / path).stat().st_size
        elif reason:
            left_out[path] = reason
    for path in named:
        if path not in sizes and not ((root / path).is_dir() and not NEVER & {*path.parts}):
            if path in left_out:
                raise ConfigError(
                    f"{path}: is not uploaded: {left_out[path]}; --also {path} uploads a secret"
                )
            raise ConfigError(f"{path}: is never uploaded to a cluster; move it, or rename it")
    found = Selection(sizes, left_out)
    if found.bytes > MOST_BYTES:
        largest = max(sizes, key=lambda path: sizes[path])
        raise ConfigError(
            f"{largest}: a job's files must have at most {MOST_BYTES // MIB} MiB together, got "
            f"{found.bytes // MIB} MiB, {sizes[largest] // MIB} of them here; put large files on storage "
            "that the cluster shares, and give their absolute path"
        )
    return found


def copy(root: Path, selection: Selection, target: Path) -> None:
    """Copy the selected files from `root` to `target`; a link is replaced by the file that it leads to."""
    for path in selection.sizes:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / path, target / path)


def _files(root: Path, path: Path) -> Iterator[Path]:
    """Yield the file, or all files in the directory."""
    if not (root / path).is_dir():
        yield path
        return
    for folder, folders, files in os.walk(root / path):
        folders[:] = sorted(set(folders) - NEVER)
        yield from (Path(folder, file).relative_to(root) for file in sorted(files))


def _reason_to_stay(root: Path, real: Path, path: Path, also: Collection[Path]) -> str | None:
    """Return why a file is left out, None if it is packed; the empty text where nobody would expect it."""
    file = root / path
    if NEVER & {*path.parts} or path.name in IGNORE_FILES or not file.is_file():
        return ""
    if not file.resolve().is_relative_to(real):
        return "outside of the project"
    if path in also:
        return None
    try:
        return secret_in(file, path) or secret_in(file, file.resolve().relative_to(real))
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from error
