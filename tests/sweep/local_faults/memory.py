"""A machine's memory that seems to be used up, for one process and its children."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

MEMORY = Path("/proc/meminfo")


class PretendedMemory:
    """A copy of /proc/meminfo that processes started with `prefix` read in its place.

    Ray's memory monitor reads the file again and again. Using the memory in fact would harm other processes.
    """

    def __init__(self, path: Path) -> None:
        """Write the copy; skip the test where a file can't be mounted."""
        self._path = path
        self._real = MEMORY.read_text()
        self.free()
        shell, unshare = shutil.which("sh"), shutil.which("unshare")
        script = 'mount --bind "$0" /proc/meminfo && exec "$@"'
        self.prefix = (unshare or "", "--mount", shell or "", "-c", script, str(path))
        done = subprocess.run([*self.prefix, "true"], check=False, capture_output=True) if unshare else None
        if done is None or done.returncode:
            pytest.skip("a file over /proc/meminfo needs root and the program unshare")

    def used_up(self) -> None:
        """Let 1 % of the memory be available."""
        self._write(1)

    def free(self) -> None:
        """Let most of the memory be available."""
        self._write(80)

    def _write(self, available_percent: int) -> None:
        found = re.search(r"^MemTotal: +(\d+) kB$", self._real, re.MULTILINE)
        assert found
        line = f"MemAvailable: {int(found[1]) * available_percent // 100:>10} kB"
        text = re.sub(r"^MemAvailable: .*$", line, self._real, flags=re.MULTILINE)
        with self._path.open("r+" if self._path.exists() else "w") as file:  # the same file: it is mounted
            file.write(text)
