"""The processes of measurements."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks import processes
from benchmarks.child import WORKERS
from benchmarks.common import (
    BenchmarkError,
)


def test_environments_stay_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "7")
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    (alone,) = processes.environments(0, None)
    assert not {"RANK", "OMP_NUM_THREADS"} & set(alone)
    assert (alone["CUDA_VISIBLE_DEVICES"], alone["ACCELERATE_USE_CPU"]) == ("", "true")
    ranks = processes.environments(2, 1)
    assert [environment["RANK"] for environment in ranks] == ["0", "1"]
    assert ranks[0]["MASTER_PORT"] == ranks[1]["MASTER_PORT"]
    assert ranks[0]["OMP_NUM_THREADS"] == "1"


def test_a_failed_process_is_reported(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "x.log"
    with pytest.raises(BenchmarkError, match=r"(?s)no such worker, v: process 0 ended with code 1.*KeyError"):
        processes.measure("no such worker", "v", {}, log, threads=1)
    assert "KeyError" in log.read_text()


def test_workers_are_there() -> None:
    assert all(find_spec(module) for module in WORKERS.values())
