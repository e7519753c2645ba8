"""Library output goes to a file, however it is written; the terminal is restored."""

import subprocess
import sys
from pathlib import Path

from tests.disk import small_disk

PROGRAM = """
import logging, os, subprocess, sys, warnings
from pathlib import Path
from lookahead_ray import log_capture

with log_capture.into(Path(sys.argv[1])):
    print("printed")
    print("complained", file=sys.stderr)
    logging.getLogger("ray.tune").warning("logged")
    warnings.warn("warned")
    subprocess.run(["sh", "-c", "echo compiled >&2"], check=True)
print("said")
print("refused", file=sys.stderr)
"""


def test_only_later_output_reaches_the_terminal(tmp_path: Path) -> None:
    log = tmp_path / "run" / "driver.log"
    command = [sys.executable, "-c", PROGRAM, str(log)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == ("said\n", "refused\n")
    text = log.read_text()
    for word in ("printed", "complained", "logged", "warned", "compiled"):
        assert word in text


FULL = """
import logging, sys
from pathlib import Path
from lookahead_ray import log_capture
from tests.disk import Disk

disk = Disk(Path(sys.argv[1]))
with log_capture.into(disk.root / "run.log"):
    print("first")
    disk.fill()
    for _ in range(200):
        print("lost" * 100)
        logging.getLogger("ray").warning("lost too")
    disk.free()
    print("last")
"""


def test_a_full_disk_for_the_log_is_no_error(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as disk:
        command = [sys.executable, "-c", FULL, str(disk.root)]
        ended = subprocess.run(command, check=True, capture_output=True, text=True)
        assert (ended.stdout, ended.stderr) == ("", "")
        text = (disk.root / "run.log").read_text()
        assert text.startswith("first\n")
        assert text.endswith("last\n")
