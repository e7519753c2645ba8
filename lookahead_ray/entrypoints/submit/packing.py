"""Packing of a job's files: the files that git tracks, the space file, and the files that it names."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lookahead_ray.errors import ConfigError

NEVER = {".git", ".venv", "venv", "runs", "__pycache__"}
"""Names of files and directories that are never packed, even if git tracks or the space names them."""
IGNORE_FILES = {".gitignore", ".rayignore"}  # with them, Ray could leave out files that the space names
SECRET_FILES = (".env", ".netrc", ".pypirc", ".git-credentials")
MOST_BYTES = 400 * 2**20  # Ray accepts packages of up to 500 MiB
MIB = 2**20


@dataclass(frozen=True)
class Packed:
    """Number and total size of the packed files."""

    files: int
    bytes: int


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


def pack(root: Path, named: Iterable[Path], target: Path) -> Packed:
    """Copy tracked and named files, and the contents of named directories, from `root` to `target`.

    A link is replaced by its target; links to outside of `root` are left out, as are `NEVER` and files that
    usually contain secrets.

    Raises:
        ConfigError: more than `MOST_BYTES`, or a named file is left out.
    """
    real = root.resolve()
    named = list(named)
    for path in named:
        if not ((root / path).is_dir() and not NEVER & {*path.parts}) and not _is_packed(root, real, path):
            raise ConfigError(f"{path}: is never uploaded to a cluster; move it, or rename it")
    chosen = dict.fromkeys([*tracked(root), *(file for path in named for file in _files(root, path))])
    sizes = {path: (root / path).stat().st_size for path in chosen if _is_packed(root, real, path)}
    if (total := sum(sizes.values())) > MOST_BYTES:
        largest = max(sizes, key=lambda path: sizes[path])
        raise ConfigError(
            f"{largest}: a job's files must have at most {MOST_BYTES // MIB} MiB together, got "
            f"{total // MIB} MiB, {sizes[largest] // MIB} of them here; put large files on storage that the "
            "cluster shares, and give their absolute path"
        )
    for path in sizes:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / path, target / path)
    return Packed(len(sizes), total)


def _files(root: Path, path: Path) -> Iterator[Path]:
    """Yield the file, or all files in the directory."""
    if not (root / path).is_dir():
        yield path
        return
    for folder, folders, files in os.walk(root / path):
        folders[:] = sorted(set(folders) - NEVER)
        yield from (Path(folder, file).relative_to(root) for file in sorted(files))


def _is_packed(root: Path, real: Path, path: Path) -> bool:
    if NEVER & {*path.parts} or path.name in IGNORE_FILES:
        return False
    if path.name in SECRET_FILES or path.name.startswith(".env."):
        return False
    file = root / path
    return file.is_file() and file.resolve().is_relative_to(real)
