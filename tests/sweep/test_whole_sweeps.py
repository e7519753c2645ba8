"""Whole sweeps on a tiny model through Ray Tune, Ray Train and DeepSpeed, as a user starts them."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pytest

from lookahead_ray import store
from tests.sweep.processes import AGENTS, SweepProcess
from tests.tiny import make_model

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]
LONG = ("training.epochs=20", "task.train_examples=64")  # some seconds of training, to be killed in
# Ray's names of the processes; Tune wraps a trainable that requests resources
TRAINER, TRIAL = "ray::RayTrainWorker", "ray::ResourceTrainable"
Start = Callable[..., SweepProcess]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def start(model: Path, tmp_path: Path) -> Iterator[Start]:
    started: list[SweepProcess] = []

    def begin(run: str, *settings: str, options: tuple[str, ...] = ()) -> SweepProcess:
        started.append(SweepProcess(model, tmp_path / run, settings, options))
        return started[-1]

    yield begin
    for sweep in started:
        sweep.clean_up()


def rows(run: Path) -> dict[str, dict[str, Any]]:
    """Return the trials of a run by id, after asserting that each occurs once."""
    trials = store.open(str(run)).trials().to_pylist()
    by_id = {row["trial_id"]: row for row in trials}
    assert len(by_id) == len(trials)
    return by_id


def test_one_and_two_workers_train_alike_under_zero_2(start: Start, tmp_path: Path) -> None:
    curves = {}
    for workers in (1, 2):
        sweep = start(f"w{workers}", f"workers={workers}")
        text = sweep.finish()
        assert "recommend" in text
        run = tmp_path / f"w{workers}"
        trials = rows(run)
        assert set(trials) == {"seed", "vanilla", "search-001"}
        assert {row["status"] for row in trials.values()} == {"completed"}
        assert trials["seed"]["zero_stage"] is None
        for trial in ("vanilla", "search-001"):
            assert (trials[trial]["workers"], trials[trial]["zero_stage"]) == (workers, 2)
        assert (run / "tradeoff.png").stat().st_size > 10_000
        opened = store.open(str(run))
        curves[workers] = opened.steps().select(["trial_id", "step", "loss", "tokens"]).to_pylist()
        assert_rates_can_be_recomputed(opened)
        sweep.wait_until_gone()
    assert len(curves[1]) == len(curves[2]) == 4
    for one, two in zip(curves[1], curves[2], strict=True):
        assert (one["trial_id"], one["step"], one["tokens"]) == (two["trial_id"], two["step"], two["tokens"])
        assert one["loss"] == pytest.approx(two["loss"], rel=1e-3)


def assert_rates_can_be_recomputed(run: store.Run) -> None:
    recomputed = store.recompute_rates(run.generations()).to_pylist()
    assert len(recomputed) == 4 * 3
    by_id = {row["trial_id"]: row for row in run.trials().to_pylist()}
    for rate in recomputed:
        row, metric = by_id[rate["trial_id"]], rate["metric"]
        assert (row[metric], row[f"{metric}_n"], row[f"{metric}_unparsed"]) == (
            rate["value"],
            rate["n"],
            rate["unparsed"],
        )


@pytest.mark.long  # two minutes; another test here kills a trial with the default settings
def test_a_trial_whose_process_is_killed_runs_again_after_the_others(start: Start, tmp_path: Path) -> None:
    sweep = start("run", *LONG, "search.trials=2", "search.max_failures=0", "search.max_concurrent=1")
    sweep.wait_for("finished: vanilla")
    sweep.wait_for("running: true, 6 tokens: training")
    sweep.only(TRIAL).send_signal(signal.SIGKILL)  # vanilla's may still be ending
    text = sweep.finish()
    assert "set aside: true, 6 tokens (attempt 1 of 5, runs again later)" in text
    trials = rows(tmp_path / "run")
    assert list(trials) == ["seed", "vanilla", "search-002", "search-001"]
    assert {row["status"] for row in trials.values()} == {"completed"}
    sweep.wait_until_gone()


def test_with_default_settings_a_killed_process_costs_its_trial_a_restart(
    start: Start, tmp_path: Path
) -> None:
    sweep = start("run", *LONG, "search.trials=2")
    sweep.wait_for("training · epoch")
    sweep.named(TRAINER)[0].kill()
    text = sweep.finish()
    trials = rows(tmp_path / "run")
    assert {row["status"] for row in trials.values()} == {"completed"}
    assert len(trials) == 4
    assert sum(row["restarts"] for row in trials.values()) >= 1
    assert "restarted (1 of " in text
    sweep.wait_until_gone()


def test_a_killed_driver_leaves_committed_trials_and_no_process(start: Start, tmp_path: Path) -> None:
    sweep = start("run", *LONG)
    sweep.wait_for("running: vanilla: training")
    sweep.process.send_signal(signal.SIGKILL)
    sweep.process.wait(10)
    assert set(rows(tmp_path / "run")) == {"seed"}
    sweep.wait_until_gone(besides=AGENTS)

    refused = start("run", *LONG)
    assert refused.process.wait(120) == 2
    assert "--resume" in refused.text()

    before = store.open(str(tmp_path / "run")).trials()
    resumed = start("run", *LONG, options=("--resume",))
    resumed.finish()
    after = rows(tmp_path / "run")
    assert set(after) == {"seed", "vanilla", "search-001"}
    assert after["seed"] == before.to_pylist()[0]
    assert pc.all(pc.equal(store.open(str(tmp_path / "run")).trials()["status"], "completed")).as_py()
    sweep.wait_until_gone()


def test_ctrl_c_keeps_committed_trials(start: Start, tmp_path: Path) -> None:
    sweep = start("run", *LONG)
    sweep.wait_for("running: vanilla: training")
    sweep.process.send_signal(signal.SIGINT)
    assert sweep.process.wait(60) == 130
    assert "--resume" in sweep.text()
    assert "Traceback" not in sweep.text()
    assert set(rows(tmp_path / "run")) == {"seed"}
    sweep.wait_until_gone()
