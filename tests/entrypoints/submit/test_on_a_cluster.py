"""Sweeps submitted to a real job server on this machine: followed, stopped, resumed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lookahead_ray import store
from tests.entrypoints.submit.cluster import Cluster
from tests.sweep.processes import SMALL
from tests.tiny import make_model

pytestmark = pytest.mark.cluster
LONG = ("training.epochs=60", "task.train_examples=64", "search.max_concurrent=1")
"""Return settings for some seconds of training, one trial at a time, to be stopped in."""
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    started = Cluster()
    try:
        started.wait_until_up()
        yield started
    finally:
        started.close()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model"))


def cli(cluster: Cluster | None, *words: str, timeout_s: float = 400) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lookahead_ray.cli.main", *words]
    return subprocess.run(
        command + (["--address", cluster.address] if cluster else []),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MY_SECRET": "s3cret"},
        check=False,
    )


def submitted(
    cluster: Cluster, model: Path, run: str, *options: str, settings: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    words = ["submit", "quickstart", "--run", run, "--python", sys.executable, "--env", "MY_SECRET", *options]
    for setting in (*SMALL, "workers=1", f"model.path={model}", *settings):
        words += ["--set", setting]
    return cli(cluster, *words)


def test_a_sweep_is_stopped_cleanly_and_resumed_to_its_end(
    cluster: Cluster, model: Path, tmp_path: Path
) -> None:
    run = f"file://{tmp_path}/run"  # a URL: the study and the log are copied back at the end
    begun = submitted(cluster, model, run, "--detach", settings=LONG)
    assert begun.returncode == 0, begun.stderr
    assert begun.stderr == ""
    deadline = time.monotonic() + 300
    while "[1/3] running: vanilla: training" not in (told := cli(cluster, "logs", run).stdout):
        assert "sweep finished" not in told, told
        assert time.monotonic() < deadline, told
        time.sleep(1)
    status = json.loads(cli(None, "status", run, "--json").stdout)
    assert (status["planned"], status["by_status"]["failed"]) == (3, 0)
    assert status["driver"]["state"] == "running"
    job = status["driver"]["job"]
    assert f"job      {job}" in begun.stdout

    stopped = cli(cluster, "stop", job)
    assert stopped.returncode == 0, stopped.stderr
    assert f"{job}: stopped; " in stopped.stdout
    assert "interrupted: " in cli(cluster, "logs", job).stdout
    before = store.trial_ids(run)
    assert {"seed"} <= before < {"seed", "vanilla", "search-001"}
    status = json.loads(cli(None, "status", run, "--json").stdout)
    assert status["driver"]["description"].startswith("interrupted at ")

    refused = submitted(cluster, model, run, settings=LONG)
    assert refused.returncode == 1
    assert "continue with --resume" in refused.stdout

    resumed = submitted(cluster, model, run, "--resume", settings=LONG)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert f"3 trials, {len(before)} of them committed before" in resumed.stdout
    assert "[3/3] sweep finished" in resumed.stdout
    assert store.trial_ids(run) == {"seed", "vanilla", "search-001"}
    view = cli(None, "status", run).stdout
    assert "trials   3 of 3 committed: 3 completed" in view
    assert "driver   ended: finished at " in view
    assert "worker output is in" in cli(None, "logs", run).stdout
    for file in ("tradeoff.png", "study.journal"):
        assert (tmp_path / "run" / file).is_file()
    for output in (begun, stopped, refused, resumed):
        assert "s3cret" not in output.stdout + output.stderr
