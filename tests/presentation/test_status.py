"""A sweep's status from the tables and the session only."""

import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from lookahead_ray import store
from lookahead_ray.config.load import Sweep, load_sweep
from lookahead_ray.entrypoints.session import copy_to_run, session
from lookahead_ray.entrypoints.submit.submission import Where
from lookahead_ray.entrypoints.submit.watch import run_log, show_status
from lookahead_ray.errors import StoreError
from lookahead_ray.presentation.status import print_status, read_status
from lookahead_ray.sweep.run_files import local_run_file
from tests.entrypoints.submit.fakes import SPACE, FakeClient, Job
from tests.presentation.records import sweep as make_sweep

ID = store.SweepIdentity("quickstart-1a2b", "quickstart", "h", {}, "2026-01-01T00:00:00+00:00")


@pytest.fixture(params=["local", "memory"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "local":
        yield str(tmp_path / "run")
        return
    name = f"status-{uuid.uuid4().hex}"
    yield f"memory://{name}/run"
    if MemoryFileSystem().exists(f"/{name}"):
        MemoryFileSystem().rm(f"/{name}", recursive=True)


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(SPACE + "search: {trials: 8, budget: {hours: 2}}\n")
    return load_sweep(Path("mine.yaml"))


def shown(run: str) -> dict[str, str]:
    lines: list[str] = []
    print_status(read_status(run), lines.append, datetime(2026, 1, 1, 0, 3, 20, tzinfo=UTC))
    return {line[:8].strip(): line[9:] for line in lines}


def committed(run: str) -> None:
    opened = store.create(run, ID)
    for record in make_sweep():
        opened.commit(record)


def test_a_running_sweep(run: str, space: Sweep) -> None:
    with store.lock(run) as hold:
        committed(run)
        with session(hold, space):
            view = shown(run)
            status = read_status(run)
    assert view["run"] == f"{run} (sweep quickstart, started 2026-01-01T00:00:00+00:00)"
    assert view["trials"] == "8 of 10 committed: 7 completed, 1 failed"
    assert view["last"] == "commit 1 min 40 s ago, 2026-01-01T00:01:40+00:00"
    assert view["budget"] == "6 of 8 trials · 0.0 of 2 h"
    assert view["best"].startswith("virtual, “Let's solve it.”: objective 0.740, RSR 71 % [64, 78], JSR ")
    assert view["failed"].startswith("true, 3 tokens: ModelError: ")
    assert "\x1b" not in "".join(view.values())
    assert status.driver.state == "running"
    assert f"process {os.getpid()} on " in status.driver.description


def test_an_ended_sweep(run: str, space: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOKAHEAD_RAY_JOB", "mine-1")
    committed(run)
    with session(store.Hold(run), space):
        pass
    driver = read_status(run).driver
    assert (driver.state, driver.job) == ("ended", "mine-1")
    assert driver.description.startswith("finished at ")


@pytest.mark.parametrize(
    ("error", "how"), [(KeyboardInterrupt(), "interrupted"), (StoreError("full"), "failed")]
)
def test_how_a_session_ended(run: str, space: Sweep, error: BaseException, how: str) -> None:
    store.create(run, ID)
    with pytest.raises(type(error)), session(store.Hold(run), space):
        raise error
    assert read_status(run).driver.description.startswith(f"{how} at ")
    with session(store.Hold(run), space) as ending:
        ending.interrupted = True
    assert read_status(run).driver.description.startswith("interrupted at ")


def test_a_killed_driver(run: str, space: Sweep) -> None:
    store.create(run, ID)
    with session(store.Hold(run), space):
        begun = store.read_session(run)
    assert begun
    store.write_session(store.Hold(run), replace(begun, ended_at=None, how=None))
    if "://" in run:  # it held the run
        gone = {"holder": "process 7 on elsewhere", "token": "t", "at": "2026-01-01T00:00:00+00:00"}
        taken = {"kind": "taken", "pending": None, **gone}
        store.Hold(run).keep("ledger/00000001.json", json.dumps(taken).encode())
    driver = read_status(run).driver
    assert driver.state == "ended"
    assert driver.description.startswith("cause unknown")


def test_a_session_of_another_version(run: str, space: Sweep) -> None:
    committed(run)
    with session(store.Hold(run), space):
        begun = store.read_session(run)
    assert begun
    store.write_session(store.Hold(run), replace(begun, search={"wish": 1}))
    assert "budget" not in shown(run)


def test_an_empty_run_and_none(run: str) -> None:
    with pytest.raises(StoreError, match=r"sweep.json"):
        read_status(run)
    store.create(run, ID)
    view = shown(run)
    assert view["trials"] == "0 of ? committed"
    assert view["last"] == "nothing committed yet"
    assert "budget" not in view


def test_json_holds_it_all(run: str, space: Sweep, capsys: pytest.CaptureFixture[str]) -> None:
    committed(run)
    show_status(run, True, Where(), print)
    text = capsys.readouterr().out
    told = json.loads(text)
    assert (told["committed"], told["planned"], told["by_status"]["failed"]) == (8, None, 1)
    assert told["best"]["trial_id"] == "t5"
    assert told["best"]["rates"]["rsr"]["n"] == 160
    assert text.isascii()


def test_the_job_server_knows_whether_the_driver_runs(run: str, space: Sweep) -> None:
    store.create(run, ID)
    client = FakeClient()
    client.jobs["a"] = Job("a", {"lookahead_ray_run": run}, "PENDING")
    lines: list[str] = []
    show_status(run, False, Where(address="http://127.0.0.1:1"), lines.append, lambda address: client)
    assert lines[-1] == "driver   running: job pending, job a"


def test_logs_of_a_run(run: str, space: Sweep, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such file; of a submitted job, give --cluster or --address"):
        run_log(run)
    log = local_run_file(run, "driver.log", "mine")
    log.parent.mkdir(parents=True)
    log.write_text("line\n")
    copy_to_run(store.Hold(run), "mine", ("driver.log", "no-such-file"))
    assert run_log(run) == "line\n"


def test_a_recommendation_that_no_longer_holds_leaves_the_run(run: str) -> None:
    path = local_run_file(run, "recommended.yaml", "mine")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("name: x\n")
    hold = store.Hold(run)
    copy_to_run(hold, "mine", ("recommended.yaml",))
    assert hold.files.read("recommended.yaml") == b"name: x\n"
    path.unlink()
    for _ in range(2):
        copy_to_run(hold, "mine", ("recommended.yaml",))
    with pytest.raises((StoreError, FileNotFoundError)):
        hold.files.read("recommended.yaml")
