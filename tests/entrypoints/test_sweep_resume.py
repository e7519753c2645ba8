"""Conditions for resuming a run with `lookahead-ray sweep`, without training."""

import os
import signal
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lookahead_ray import store
from lookahead_ray.cli.main import app
from lookahead_ray.entrypoints import run_versions
from lookahead_ray.sweep.interfaces import Observer, Sink
from lookahead_ray.sweep.recommend.recommendation import Recommendation
from tests.cli.test_main import SweepResult
from tests.factory import make_record
from tests.presentation.records import sweep as make_sweep
from tests.sweep.processes import SweepProcess

SPACE = (
    "task: {name: word_problems, train_examples: 8}\n"
    "preview: {strategy: 'true', length_tokens: {int: [1, 4]}}\n"
)


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A space, and a driver that commits one more trial in each session."""
    monkeypatch.chdir(tmp_path)

    def run_sweep(sweep: Any, sink: Sink, observer: Observer, warm: Any) -> SweepResult:
        sink.commit(make_record(len(sink.committed), sweep_id=sink.sweep_id))
        return SweepResult(sink.run, make_sweep(), Recommendation(None, "Nothing.", (), ()))

    driver = ModuleType("lookahead_ray.sweep.driver")
    driver.__dict__["run_sweep"] = run_sweep
    monkeypatch.setitem(sys.modules, driver.__name__, driver)
    path = tmp_path / "mine.yaml"
    path.write_text(SPACE)
    return path


def sweep(*options: str) -> Result:
    return CliRunner().invoke(app, ["sweep", "mine.yaml", *options], prog_name="lookahead-ray")


def trials() -> int:
    return len(store.trial_ids("runs/mine"))


def refusal(*options: str) -> str:
    before = trials()
    result = sweep(*options)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1), result.stderr
    assert trials() == before
    return result.stderr


def test_trials_that_are_there_ask_for_resume(space: Path) -> None:
    assert sweep().exit_code == 0
    assert "already holds 1 trials of a sweep; continue with --resume" in refusal()
    assert sweep("--resume").exit_code == 0
    assert trials() == 2


def test_what_has_no_effect_may_change(space: Path) -> None:
    sweep()
    more = ("--set", "search.trials=99", "--set", "search.budget.hours=1", "--set", "name=other")
    assert sweep("--run", "runs/mine", "--resume", *more).exit_code == 0


def test_the_space_the_data_and_the_evaluation_are_named_when_they_changed(space: Path) -> None:
    sweep()
    start = "error: runs/mine: can't resume: these settings changed since the sweep began: "
    end = "; use another --run, or undo the change\n"
    for setting, named in (
        ("preview.length_tokens={int: [1, 6]}", "preview.length_tokens.int ([1, 6], was [1, 4])"),
        ("training.learning_rate=1e-4", "training.learning_rate (0.0001, was not set)"),
        ("task.train_examples=9", "task.train_examples (9, was 8)"),
        ("evaluation.kl_tokens=2", "evaluation.kl_tokens (2, was not set)"),
        ("search.sampler.name=random", 'search.sampler.name ("random", was "tpe")'),
        ("objective.safety_weight=1", "objective.safety_weight (1.0, was 0.5)"),
    ):
        message = refusal("--resume", "--set", setting)
        assert message.startswith(f"{start}{named}"), message
        assert message.endswith(end)
    assert sweep("--resume").exit_code == 0


def test_changed_contents_are_named_and_moved_ones_are_no_change(space: Path) -> None:
    rows = [f'{{"question": "{n} + 1?", "answer": "#### {n + 1}"}}\n' for n in range(12)]
    Path("rows.jsonl").write_text("".join(rows))
    data = ("--set", "task={name: gsm8k, train_examples: 4, test_examples: 4}", "--set")
    assert sweep(*data, "task.path=rows.jsonl").exit_code == 0
    Path("moved.jsonl").write_text("".join(rows))
    assert sweep(*data, f"task.path={Path('moved.jsonl').absolute()}", "--resume").exit_code == 0
    Path("rows.jsonl").write_text("".join(rows[::-1]))
    message = refusal(*data, "task.path=rows.jsonl", "--resume")
    assert "these settings changed since the sweep began: task (contents of rows.jsonl); " in message


def test_other_versions_than_at_the_beginning_are_said(space: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_versions, "versions_now", lambda judges: {"torch": "2.12.0"})
    assert "torch" not in sweep().stderr
    monkeypatch.setattr(run_versions, "versions_now", lambda judges: {"torch": "2.13.0"})
    resumed = sweep("--resume")
    assert (resumed.exit_code, trials()) == (0, 2)
    assert "torch 2.12.0 → 2.13.0" in resumed.stderr


@pytest.mark.xdist_group("ray")
@pytest.mark.parametrize("options", [pytest.param((), marks=pytest.mark.slow), ("--resume",)])
def test_a_second_sweep_is_refused_while_the_first_only_starts(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    run = tmp_path / "run"
    first = SweepProcess(Path("embedded"), run)
    try:
        while not (run / "lock").exists():
            assert first.process.poll() is None, first.text()
            time.sleep(0.01)
        time.sleep(0.1)  # it prints the lock's holder immediately
        os.kill(first.process.pid, signal.SIGSTOP)
        assert not (run / "sweep.json").exists()  # nothing has been checked yet
        second = SweepProcess(Path("embedded"), run, options=options)
        assert second.process.wait(60) == 2
        (line,) = second.text().splitlines()
        assert line.startswith(f"error: {run}/lock: one driver at a time writes to a run, got two, ")
        assert f"process {first.process.pid} on " in line
        assert second.left() == []
    finally:
        first.clean_up()
