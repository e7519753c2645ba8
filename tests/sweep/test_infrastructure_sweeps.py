"""Whole sweeps whose time is up, or whose memory is; other faults are in `local_faults`."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from lookahead_ray import store
from tests.sweep.processes import SweepProcess
from tests.tiny import make_model

pytestmark = [pytest.mark.slow, pytest.mark.long]
Start = Callable[..., SweepProcess]
ONE = ("workers=1", "search.max_concurrent=1", "search.trials=2")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "model")


@pytest.fixture
def start(model: Path, tmp_path: Path) -> Iterator[Start]:
    sweeps: list[SweepProcess] = []

    def begin(settings: Sequence[str] = (), options: Sequence[str] = ()) -> SweepProcess:
        sweeps.append(SweepProcess(model, tmp_path / "run", (*ONE, *settings), options))
        return sweeps[-1]

    yield begin
    for sweep in sweeps:
        sweep.clean_up()


def committed(run: Path) -> dict[str, str]:
    """Return trial -> status; no trial may be doubled."""
    records = store.open(str(run)).records()
    assert max(Counter(record.trial_id for record in records).values()) == 1
    return {record.trial_id: record.status for record in records}


COMPLETE = dict.fromkeys(("seed", "vanilla", "search-001", "search-002"), "completed")


def test_the_time_budget_ends_a_running_trial(start: Start, tmp_path: Path) -> None:
    long = (
        "training.epochs={int: [1, 100000]}",
        "search.reference={training.epochs: 1}",
        "task.train_examples=32",
    )
    enqueue = "search.enqueue=[{training.epochs: 100000}]"
    sweep = start((*long, enqueue))
    sweep.wait_for("epoch 2")
    sweep.process.send_signal(signal.SIGTERM)
    assert sweep.process.wait(120) == 130
    hours = (
        sum(
            until - since
            for since, until in json.loads((tmp_path / "run" / "attempts.json").read_bytes())["sessions"]
        )
        / 3600
    )
    again = start((*long, enqueue, f"search.budget.hours={hours + 45 / 3600}"), ["--resume"])
    begin = time.monotonic()
    again.finish()
    assert time.monotonic() - begin < 300
    assert set(committed(tmp_path / "run")) == {"seed", "vanilla"}


def test_a_kill_by_the_memory_monitor_is_named(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_memory_usage_threshold", "0.01")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "100")
    sweep = start(("search.max_failures=0", "search.stop_after_failures=1"))
    assert sweep.process.wait(400) == 75, sweep.text()
    said = [line for line in sweep.text().splitlines() if line.startswith("error: ")]
    assert "the machine ran out of memory" in said[0], sweep.text()
    assert "search.max_concurrent" in said[0]
    monkeypatch.undo()
    assert "RAY_memory_usage_threshold" not in os.environ
    start(options=["--resume"]).finish()
    assert committed(tmp_path / "run") == COMPLETE
