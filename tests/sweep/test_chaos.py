"""A sweep whose processes are killed at random ends like an undisturbed one."""

import random
import signal
import time
from pathlib import Path

import psutil
import pytest

from lookahead_ray import store
from lookahead_ray.trial.record import TrialRecord
from tests.sweep.essence import essence
from tests.sweep.processes import AGENTS, SweepProcess
from tests.tiny import make_model

pytestmark = [pytest.mark.slow, pytest.mark.long]
SETTINGS = (
    "workers=1",
    "search.trials=2",  # four with the references
    "search.max_concurrent=1",
    "search.max_failures=9",
    "training.epochs=30",
    "task.train_examples=32",
    "training.learning_rate={loguniform: [1e-4, 1e-2]}",
)
VICTIMS = {
    "worker": "ray::RayTrainWorker",
    "trial": "ray::ResourceTrainable",
    "host": "ray::GroupHost",
    "driver": "",
}
SEED = 4
LONGEST_S = 12.0  # between two kills


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return make_model(tmp_path / "model")


def essences(run: Path) -> dict[str, TrialRecord]:
    records = store.open(str(run)).records()
    assert len({record.trial_id for record in records}) == len(records)
    return {record.trial_id: essence(record) for record in records}


def test_a_sweep_of_kills_ends_as_an_undisturbed_one(
    model: Path, tmp_path: Path, started: list[SweepProcess]
) -> None:
    quiet = SweepProcess(model, tmp_path / "quiet", SETTINGS)
    started.append(quiet)
    quiet.finish()

    draw = random.Random(SEED)
    order = list(VICTIMS)
    draw.shuffle(order)
    kills: list[str] = []
    run = tmp_path / "chaos"
    while True:
        sweep = SweepProcess(model, run, SETTINGS, options=("--resume",))
        started.append(sweep)
        while order and sweep.process.poll() is None:
            before = sweep.text().count("training · epoch")
            while sweep.process.poll() is None and sweep.text().count("training · epoch") == before:
                time.sleep(0.1)  # until another trial trains
            time.sleep(draw.uniform(0, 1.0))
            if kill(sweep, victim := order.pop(0)):
                kills.append(victim)
            if victim == "driver":
                break
        if sweep.process.wait(400) == 0:
            break
        assert kills[-1:] == ["driver"], f"seed {SEED}, kills {kills}:\n{sweep.text()}"
        sweep.wait_until_gone(besides=AGENTS)
    for sweep in started:
        sweep.wait_until_gone()
    assert len(kills) >= 3, kills
    disturbed = essences(run)
    expected = essences(tmp_path / "quiet")
    assert disturbed.keys() == expected.keys(), f"seed {SEED}, kills {kills}"
    for trial_id, record in expected.items():
        assert disturbed[trial_id] == record, f"seed {SEED}, kills {kills}, {trial_id}"
    assert not list(run.glob("checkpoints/*"))


def kill(sweep: SweepProcess, victim: str) -> bool:
    """Kill one process of this kind, if one is running."""
    if victim == "driver":
        sweep.process.send_signal(signal.SIGKILL)
        return True
    found = sweep.named(VICTIMS[victim], timeout_s=5)
    try:
        if found:
            found[0].kill()
    except psutil.NoSuchProcess:
        return False
    return bool(found)
