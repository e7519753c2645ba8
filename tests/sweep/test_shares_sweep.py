"""A whole sweep whose trainings are measured at several shares of a merge, killed and resumed."""

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lookahead_ray import store
from lookahead_ray.trial.record import TrialRecord, count_trainings, group_by_training
from tests.sweep.essence import essence
from tests.sweep.processes import SweepProcess
from tests.tiny import make_model

pytestmark = pytest.mark.slow
SHARES = (1.0, 0.6, 0.3)
SETTINGS = (
    "training.learning_rate=1e-2",
    "preview={strategy: true, length_tokens: {choice: [3, 6]}}",
    "search.enqueue=[]",
    "search.sampler={name: grid}",
    "evaluation.safety_new_tokens=8",
    "training.epochs=20",
    "task.train_examples=64",
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def started() -> Iterator[list[SweepProcess]]:
    processes: list[SweepProcess] = []
    yield processes
    for sweep in processes:
        sweep.clean_up()


def of_a_trial(record: TrialRecord) -> TrialRecord:
    """Return what a point of a training and a trial with its share alone have in common."""
    bare = essence(replace(record, trial_id="", training_id=None, params={}))
    return bare.with_measured(train_tokens=0, flops=0.0, steps=(), signals=(), preparation={})


def test_points_are_those_of_single_trials_and_a_killed_sweep_doubles_none(
    model: Path, tmp_path: Path, started: list[SweepProcess]
) -> None:
    several = (*SETTINGS, f"merge={{share: {list(SHARES)}}}", "search.trials=2")
    run = tmp_path / "several"
    started.append(SweepProcess(model, run, several))
    started[-1].wait_for(" tokens, shares 1, 0.6, 0.3: training")
    started[-1].process.send_signal(signal.SIGKILL)
    started[-1].process.wait(10)
    assert len(store.open(str(run)).records()) in (2, 5)  # the references, perhaps a whole training
    started[-1].wait_until_gone()
    started.append(SweepProcess(model, run, several, ("--resume",)))
    text = started[-1].finish()
    assert "[4/4] finished: true, " in text
    assert " tokens, share 0.6: RSR" in text
    records = store.open(str(run)).records()
    started[-1].wait_until_gone()
    assert {record.status for record in records} == {"completed"}
    assert (len(records), count_trainings(records)) == (8, 4)
    seed, vanilla, first, second = group_by_training(records)
    assert [point.role for point in (*seed, *vanilla, *first)] == ["seed", "vanilla", *["search"] * 3]
    for points in (first, second):
        assert [point.config.get("merge", {}).get("share", 1.0) for point in points] == [*SHARES]
        assert [point.trial_id for point in points[1:]] == [f"{points[0].trial_id}.{i}" for i in (2, 3)]
        tokens = sum(step.tokens for step in points[0].steps)
        assert [point.train_tokens for point in points] == [tokens, 0, 0]
        assert [bool(point.flops) for point in points] == [True, False, False]
        assert all(point.rsr and point.jsr and point.utility and point.kl for point in points)

    alone = tmp_path / "alone"
    single = (*SETTINGS, f"merge={{share: {{choice: {list(SHARES)}}}}}", "search.trials=6")
    started.append(SweepProcess(model, alone, single))
    started[-1].finish()
    expected = {r.config_hash: of_a_trial(r) for r in store.open(str(alone)).records() if r.role == "search"}
    found = {record.config_hash: of_a_trial(record) for record in (*first, *second)}
    assert found == expected
