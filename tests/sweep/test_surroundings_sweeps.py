"""Whole sweeps whose surroundings fail, and that get signals; writes rows of docs/faults.md.

LOOKAHEAD_RAY_FAULTS=docs/faults.md pytest -m slow tests/sweep/test_surroundings_sweeps.py
"""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from lookahead_ray import store
from tests.cluster.faults import Faults
from tests.sweep.processes import SweepProcess
from tests.tiny import make_model

pytestmark = [pytest.mark.slow, pytest.mark.long]
Start = Callable[..., SweepProcess]
EPOCHS = ("training.epochs=40", "task.train_examples=32")
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


@pytest.fixture
def faults() -> Iterator[Faults]:
    """Rows of the page, which are written if the test passes."""
    found = Faults()
    yield found
    found.write()


def committed(run: Path) -> dict[str, str]:
    """Return trial -> status; no trial may be doubled."""
    records = store.open(str(run)).records()
    assert max(Counter(record.trial_id for record in records).values()) == 1
    return {record.trial_id: record.status for record in records}


COMPLETE = dict.fromkeys(("seed", "vanilla", "search-001", "search-002"), "completed")


def test_a_model_that_vanishes_stops_the_sweep_and_resume_completes_it(
    start: Start, model: Path, tmp_path: Path, faults: Faults
) -> None:
    sweep = start()
    sweep.wait_for("finished: vanilla")
    model.rename(tmp_path / "away")
    code = sweep.process.wait(400)
    said = [line for line in sweep.text().splitlines() if line.startswith("error: ")]
    assert len(said) == 1, sweep.text()
    assert (code, "3 trials in a row" in said[0], "--resume" in said[0]) == (75, True, True), sweep.text()
    assert f"has no {model}" in said[0]
    assert "failed" not in committed(tmp_path / "run").values()
    (tmp_path / "away").rename(model)
    again = start(options=["--resume"])
    again.finish()
    assert committed(tmp_path / "run") == COMPLETE
    how = "the model's directory renamed during the search, then back and `--resume` (one machine)"
    faults.add("a shared disk is gone", how, "no committed trial", None)


def test_sigterm_ends_the_sweep_like_ctrl_c(start: Start, tmp_path: Path, faults: Faults) -> None:
    sweep = start(EPOCHS)
    sweep.wait_for("running: vanilla: training")
    sweep.process.send_signal(signal.SIGTERM)
    begin = time.monotonic()
    assert sweep.process.wait(120) == 130, sweep.text()
    seconds = time.monotonic() - begin
    assert "interrupted" in sweep.text().splitlines()[-1]
    assert "--resume" in sweep.text().splitlines()[-1]
    session = json.loads((tmp_path / "run" / "session.json").read_bytes())
    assert session["how"] == "interrupted"
    assert json.loads((tmp_path / "run" / "attempts.json").read_bytes())["trials"] == {}
    sweep.wait_until_gone()
    start(EPOCHS, ["--resume"]).finish()
    assert committed(tmp_path / "run") == COMPLETE
    how = f"SIGTERM, as Slurm and Kubernetes do; ended after {seconds:.0f} s, then `--resume` (one machine)"
    faults.add("the driver gets SIGTERM", how, "less than an epoch", None)


def test_ranks_that_hang_are_ended_and_restarted(start: Start, tmp_path: Path, faults: Faults) -> None:
    sweep = start((*EPOCHS, "search.hang_minutes=0.25", "search.trials=1"))
    sweep.wait_for("running: vanilla: training")
    (rank,) = sweep.named("ray::RayTrainWorker")
    rank.suspend()
    begin = time.monotonic()
    sweep.wait_for("restarted (1 of 2): vanilla")
    seconds = time.monotonic() - begin
    sweep.finish()
    found = committed(tmp_path / "run")
    assert set(found.values()) == {"completed"}
    how = f"SIGSTOP, `search.hang_minutes: 0.25`; restarted after {seconds:.0f} s (one machine)"
    faults.add("a rank hangs", how, "less than an epoch", None)


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
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: Faults
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
    how = "Ray's memory monitor with a threshold of 1 % kills the trial, then `--resume` (one machine)"
    faults.add("the memory monitor kills a trial", how, "the trial's steps", None)
