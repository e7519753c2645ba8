"""Inject faults into sweeps on this machine and write their rows of docs/faults.md.

    python -m tests.sweep.local_faults PAGE [FAULT ...]

Without names all faults are injected, one after the other; a row is written as soon as it is known. The exit
code is 1 if a fault lost, doubled or changed a row, left a process, or could not be injected.
"""

import sys
import tempfile
import traceback
from pathlib import Path

import pytest

from tests.faults_page import write
from tests.sweep.local_faults.experiment import Sweeps
from tests.sweep.local_faults.faults import FAULTS


def main(page: Path, names: list[str]) -> int:
    """Inject the faults `names`; return the exit code."""
    failed = []
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        sweeps = Sweeps(Path(folder))
        for name in names:
            try:
                row = FAULTS[name](sweeps)
            except (Exception, pytest.skip.Exception):
                traceback.print_exc()
                failed.append(name)
                continue
            print(name, row.line, end="", flush=True)
            if row.counts.all_zero:
                write(page, [row])
            else:
                failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:] or list(FAULTS)))
