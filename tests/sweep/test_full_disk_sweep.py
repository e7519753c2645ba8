"""A whole sweep whose run's disk becomes full, as a user starts it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lookahead_ray import store
from tests.disk import Disk, small_disk
from tests.sweep.processes import SweepProcess
from tests.tiny import make_model

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk", 8192) as mounted:
        yield mounted


def test_a_disk_that_fills_up_ends_the_sweep_in_one_line_and_resume_completes_it(
    disk: Disk, tmp_path: Path
) -> None:
    model, run = make_model(tmp_path / "model"), disk.root / "run"
    sweep = SweepProcess(model, run, ["search.trials=2"], output=tmp_path / "first.txt")
    again = None
    try:
        sweep.wait_for("finished: vanilla")
        disk.fill()
        assert sweep.process.wait(240) == 2, sweep.text()
        said = [line for line in sweep.text().splitlines() if "error" in line.lower()]
        assert len(said) == 1, sweep.text()
        assert said[0].startswith("error: ")
        assert str(run) in said[0]
        assert "No space left on device" in said[0]
        assert "--resume" in said[0]
        assert "Traceback" not in sweep.text()
        sweep.wait_until_gone()
        assert store.trial_ids(str(run)) == {"seed", "vanilla"}
        before = store.open(str(run)).records()

        disk.free()
        again = SweepProcess(model, run, ["search.trials=2"], ["--resume"], output=tmp_path / "again.txt")
        again.finish()
        records = store.open(str(run)).records()
        assert records[:2] == before
        assert sorted(record.trial_id for record in records) == [
            "search-001",
            "search-002",
            "seed",
            "vanilla",
        ]
        assert {record.status for record in records} == {"completed"}
        again.wait_until_gone()
    finally:
        for started in filter(None, (sweep, again)):
            started.clean_up()


def test_a_second_sweep_is_refused_while_the_first_runs(tmp_path: Path) -> None:
    model, run = make_model(tmp_path / "model"), tmp_path / "run"
    first = SweepProcess(model, run)
    try:
        first.wait_for("started: ")
        second = SweepProcess(model, run, options=["--resume"])
        assert second.process.wait(60) == 2
        (line,) = second.text().splitlines()
        assert line.startswith(f"error: {run}/lock: one driver at a time writes to a run, got two, ")
        assert second.left() == []
        assert first.process.poll() is None
    finally:
        first.clean_up()
