"""Generation by vLLM, in processes of their own: its engine changes a process for good."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lookahead_ray.evaluate.generation import vllm_engine
from lookahead_ray.evaluate.generation.vllm_engine import find_vllm_obstacle

needs_vllm = pytest.mark.skipif(
    importlib.util.find_spec("vllm") is None, reason="needs the package vllm, which is not installed"
)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_engine, "find_spec", lambda name: None)
    assert "pip install 'lookahead-ray[vllm]'" in str(find_vllm_obstacle(["LlamaForCausalLM"]))


@pytest.mark.slow
@needs_vllm
@pytest.mark.parametrize("ranks", [1, 2])
def test_tokens_are_those_of_continuous_batching(ranks: int, tmp_path: Path) -> None:
    """On each rank, with the first model's weights, and those of another one in the same engine."""
    command = [sys.executable, "-m", "tests.evaluate.generation.vllm_rank"]
    processes = [
        subprocess.Popen(
            [*command, str(rank), str(ranks), str(tmp_path)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(ranks)
    ]
    try:
        said = [process.communicate(timeout=300)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * ranks, said[0][-3000:]
    for rank in range(ranks):
        found: dict[str, Any] = json.loads((tmp_path / f"{rank}.json").read_text())
        assert found["engines"] == 1
        assert found["tied"] == found["expected_tied"]
        assert found["other"] == found["expected_other"] != found["expected_tied"]
        assert found["stopped"] == found["expected_stopped"]
        assert found["progress"][-1] == 1.0
        assert found["progress"] == sorted(found["progress"])
