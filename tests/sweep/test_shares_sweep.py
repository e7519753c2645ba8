"""A whole sweep whose trainings are measured at several shares of a merge, killed and resumed."""

import signal
from dataclasses import replace
from pathlib import Path

import pytest

from lookahead_ray import store
from lookahead_ray.trial.record import TrialRecord
from lookahead_ray.trial.trainings import count_trainings, group_by_training
from tests.sweep.essence import essence
from tests.sweep.processes import SweepProcess
from tests.tiny import make_model

pytestmark = [pytest.mark.slow, pytest.mark.long]
SHARES = (1.0, 0.6, 0.3)
SETTINGS = (
    "training.learning_rate=1e-2",
    "preview={strategy: true, length_tokens: 6}",
    "search.enqueue=[]",
    "evaluation.safety_new_tokens=8",
    "training.epochs=20",
    "task.train_examples=64",
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model"))


def of_a_trial(record: TrialRecord) -> TrialRecord:
    """Return what a point of a training and a trial with its share alone have in common."""
    bare = essence(replace(record, trial_id="", training_id=None, params={}))
    return bare.with_measured(train_tokens=0, flops=0.0, steps=(), signals=(), preparation={})


def test_points_are_those_of_single_trials_and_a_killed_sweep_doubles_none(
    model: Path, tmp_path: Path, started: list[SweepProcess]
) -> None:
    several = (*SETTINGS, f"merge={{share: {list(SHARES)}}}")
    run = tmp_path / "several"
    started.append(SweepProcess(model, run, several))
    started[-1].wait_for("running: true, 6 tokens, shares 1, 0.6, 0.3: training")
    started[-1].process.send_signal(signal.SIGKILL)
    started[-1].process.wait(10)
    references = ["seed", "vanilla", "vanilla.2", "vanilla.3"]
    assert [record.trial_id for record in store.open(str(run)).records()] == references
    started.append(SweepProcess(model, run, several, ("--resume",)))
    text = started[-1].finish()
    assert "[3/3] finished: true, 6 tokens, share 0.6: RSR" in text
    records = store.open(str(run)).records()
    assert {record.status for record in records} == {"completed"}
    assert (len(records), count_trainings(records)) == (7, 3)
    _, vanilla, points = group_by_training(records)
    assert [point.trial_id for point in vanilla] == references[1:]
    assert [point.config.get("merge", {}).get("share", 1.0) for point in vanilla] == [*SHARES]
    assert [point.trial_id for point in points] == ["search-001", "search-001.2", "search-001.3"]
    assert [point.config.get("merge", {}).get("share", 1.0) for point in points] == [*SHARES]
    tokens = sum(step.tokens for step in points[0].steps)
    assert [point.train_tokens for point in points] == [tokens, 0, 0]
    assert [bool(point.flops) for point in points] == [True, False, False]
    assert all(point.rsr and point.jsr and point.utility and point.kl for point in points)

    alone = tmp_path / "alone"
    single = (*SETTINGS, f"merge={{share: {{choice: {list(SHARES)}}}}}", "search.trials=3")
    started.append(SweepProcess(model, alone, single))
    started[-1].finish()
    expected = {r.config_hash: of_a_trial(r) for r in store.open(str(alone)).records() if r.role == "search"}
    assert {record.config_hash: of_a_trial(record) for record in points} == expected
