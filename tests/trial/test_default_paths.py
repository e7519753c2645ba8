"""On a CPU without bf16 instructions no default path multiplies bf16 matrices."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hardware.test_precision import WITHOUT_BF16


@pytest.mark.slow
def test_no_default_path_multiplies_bf16_where_it_is_slow(tmp_path: Path) -> None:
    environment = os.environ | WITHOUT_BF16 | {"LOOKAHEAD_RAY_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.trial.default_paths", str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "fp32: a bf16 product runs at" in done.stdout
    assert int(done.stdout.split("products ")[1]) > 1000
