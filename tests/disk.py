"""A small disk that can be full."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Disk:
    """A mounted tmpfs at `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._ballast = root / "ballast"

    def fill(self, pages_left: int = 0) -> None:
        """Fill the disk except for so many pages."""
        self._ballast.touch()
        free = shutil.disk_usage(self.root).free - 4096 * pages_left
        with self._ballast.open("ab") as file:
            file.write(b"x" * max(0, free))
        assert shutil.disk_usage(self.root).free <= 4096 * pages_left

    def free(self) -> None:
        """Free the space that `fill` took."""
        self._ballast.unlink()


@contextmanager
def small_disk(root: Path, kibibytes: int) -> Iterator[Disk]:
    """Mount a disk at the new directory `root`; skip the test if that is not allowed."""
    root.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None:
        pytest.skip("a full disk needs the programs mount and umount")
    words = [mount, "-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", str(root)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a full disk needs the right to mount one: {done.stderr.strip()}")
    try:
        yield Disk(root)
    finally:
        subprocess.run([umount, "--lazy", str(root)], check=True)
