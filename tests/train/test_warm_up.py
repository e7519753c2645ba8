"""The files that set-up makes for the first sweep."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_the_op_is_compiled_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lookahead_ray.train.warm_up"]
    environment = os.environ | {"TORCH_EXTENSIONS_DIR": str(tmp_path)}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    (op,) = tmp_path.glob("**/*.so")
    made = op.stat().st_mtime_ns
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert op.stat().st_mtime_ns == made
