"""A sweep with its run on S3 (moto's server): driver killed, storage unavailable, machine lost."""

import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from lookahead_ray import store
from lookahead_ray.sweep.run_files import JOURNAL, local_run_file
from tests.s3 import BUCKET, Server, serving
from tests.sweep.processes import SweepProcess
from tests.tiny import make_model

pytestmark = [pytest.mark.cluster, pytest.mark.faults]  # too long for CI
EPOCHS, STEPS_PER_EPOCH = 15, 8
LONG = (f"training.epochs={EPOCHS}", "task.train_examples=64", "workers=2")
REFUSED_S = 10.0


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as server:
        yield server


def test_another_machine_continues_from_the_url(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "werkzeug")
    model = make_model(tmp_path / "model")
    run = f"s3://{BUCKET}/killed"
    started = []

    def start(machine: str, *options: str) -> SweepProcess:
        (tmp_path / machine).mkdir()
        output = tmp_path / machine / "output"
        started.append(SweepProcess(model, run, LONG, options, output, tmp_path / machine))
        return started[-1]

    fs = fsspec.filesystem("s3", use_listings_cache=False)
    try:
        first = start("first")
        first.wait_for("finished: vanilla")
        first.wait_for("running: true, 6 tokens: training")
        while not fs.exists(f"{run}/checkpoints/search-001/checkpoint.json"):
            assert first.process.poll() is None, first.text()
        first.process.send_signal(signal.SIGKILL)
        first.process.wait(10)
        first.wait_until_gone()
        assert store.trial_ids(run) == {"seed", "vanilla"}

        second = start("second", "--resume")
        second.wait_for("running: true, 6 tokens: training")
        server.refuse(REFUSED_S)
        text = second.finish()
        second.wait_until_gone()
    finally:
        for sweep in started:
            sweep.clean_up()
    assert "[3/3] sweep finished" in text
    assert "GET /runs/killed/checkpoints/search-001/epoch-" in caplog.text  # it continued from there
    trials = store.open(run).trials().to_pylist()
    assert sorted(row["trial_id"] for row in trials) == ["search-001", "seed", "vanilla"]
    assert {row["status"] for row in trials} == {"completed"}
    assert {row["restarts"] for row in trials} == {0}
    for record in store.open(run).records():
        whole = EPOCHS * STEPS_PER_EPOCH if record.steps else 0
        assert [step.step for step in record.steps] == list(range(1, whole + 1))
    assert not fs.find(f"{run}/checkpoints")
    assert b"worker output is in" in store.kept(run, "driver.log")
    assert b'"search-001"' in (journal := store.kept(run, "study.journal"))
    assert journal == (tmp_path / "second" / local_run_file(run, JOURNAL, "quickstart")).read_bytes()
