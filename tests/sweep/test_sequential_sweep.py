"""A whole sweep whose points are measured in portions, killed in its second training, and resumed."""

import signal
from pathlib import Path

import pytest

from lookahead_ray import store
from lookahead_ray.trial.record import TrialRecord
from tests.refusing import make_refusing_model
from tests.sweep.essence import essence
from tests.sweep.processes import SweepProcess

pytestmark = [pytest.mark.slow, pytest.mark.long]
SETTINGS = (
    "objective={name: floor, floor: 0.9}",
    "search.measure=sequential",
    "search.trials=2",
    "search.enqueue=[]",
    "search.max_concurrent=1",
    "preview={strategy: true, length_tokens: {choice: [4, 6]}}",
    "merge={share: [1.0, 0.05]}",
    "training.learning_rate=1e-2",
    "training.epochs=20",
    "task.train_examples=64",
    "task.test_examples=20",
    "safety.harmful_prompts=40",
    "evaluation.safety_new_tokens=28",
    "workers=1",
)
WHOLE = 40 + 40 + 10 + 20
"""Prompts of a whole measurement: requests plain and attacked, harmless prompts, task."""
FIRST = 10 + 10 + 3 + 5


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_refusing_model(tmp_path_factory.mktemp("model"))


def records_of(run: Path) -> list[TrialRecord]:
    return store.open(str(run)).records()


def test_points_end_early_and_a_killed_sweep_measures_the_same_points(
    model: Path, tmp_path: Path, started: list[SweepProcess]
) -> None:
    started.append(SweepProcess(model, tmp_path / "whole", SETTINGS))
    text = started[-1].finish()
    assert "measured in part: true, " in text
    assert "partial: 2 measured on the first n prompts only" in text
    expected = records_of(tmp_path / "whole")
    asked = {r.trial_id: (r.status, r.measurement and r.measurement.asked) for r in expected}
    assert asked == {
        "seed": ("completed", WHOLE),
        "vanilla": ("completed", WHOLE),
        "search-001": ("partial", FIRST),
        "search-001.2": ("completed", WHOLE),
        "search-002": ("partial", FIRST),
        "search-002.2": ("completed", WHOLE),
    }
    reasons = {r.measurement.ended_because for r in expected if r.measurement and r.status == "partial"}
    assert reasons == {"safety below the floor"}

    killed = tmp_path / "killed"
    started.append(SweepProcess(model, killed, SETTINGS))
    started[-1].wait_for("[3/4] running: true, ")
    started[-1].process.send_signal(signal.SIGKILL)
    started[-1].process.wait(10)
    before = [record.trial_id for record in records_of(killed)]
    assert before == ["seed", "vanilla", "search-001", "search-001.2"]
    started.append(SweepProcess(model, killed, SETTINGS, ("--resume",)))
    started[-1].finish()
    found = records_of(killed)
    assert list(map(essence, found)) == list(map(essence, expected))
