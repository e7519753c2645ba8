"""Local copies of the study and the driver's log for a run at a URL."""

from pathlib import Path
from uuid import uuid4

import fsspec
import pytest

from lookahead_ray import store
from lookahead_ray.errors import StoreError
from lookahead_ray.sweep import run_files
from lookahead_ray.sweep.run_files import JOURNAL, LOG, RemoteCopy, local_run_file


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


@pytest.mark.parametrize("name", ["run", "lr[1e]", "a*", "b?"])
def test_an_uploaded_file_is_downloaded_on_another_machine(here: Path, name: str) -> None:
    run = f"memory://{uuid4().hex}/{name}"
    local_run_file(run, JOURNAL, "mine").write_text("of this run")
    local_run_file(run, LOG, "mine").write_text("told")
    RemoteCopy(run, "mine", store.Hold(run).keep).push()
    assert fsspec.filesystem("memory").cat_file(f"{run}/driver.log") == b"told"
    local_run_file(run, JOURNAL, "mine").write_text("of another run")
    RemoteCopy(run, "mine", store.Hold(run).keep).fetch()
    assert local_run_file(run, JOURNAL, "mine").read_text() == "of this run"


def test_a_new_run_ignores_local_files_of_another(here: Path) -> None:
    run = f"memory://{uuid4().hex}/run"
    local_run_file(run, JOURNAL, "mine").write_text("of another run")
    RemoteCopy(run, "mine", store.Hold(run).keep).fetch()
    assert not local_run_file(run, JOURNAL, "mine").exists()


def test_a_local_run_is_left_alone(here: Path) -> None:
    journal = here / "x" / "study.journal"
    journal.parent.mkdir()
    journal.write_text("study")
    copy = RemoteCopy("runs/x", "mine", store.Hold("runs/x").keep)
    for act in (copy.push, copy.fetch):
        act()
    assert journal.read_text() == "study"
    assert [path.name for path in here.rglob("*")] == ["x", "study.journal"]


def test_a_copy_that_fails_ends_nothing_but_a_study_that_cannot_be_read_does(
    here: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(place: str) -> None:
        raise OSError("refused")

    def refuse(name: str, content: bytes) -> None:
        raise StoreError("refused")

    local_run_file("memory://x", LOG, "mine").write_text("told")
    monkeypatch.setattr(run_files, "open_filesystem", fails)
    RemoteCopy("memory://x", "mine", refuse).push()
    assert "memory://x: not copied: refused" in caplog.text
    with pytest.raises(StoreError, match=r"memory://x/study\.journal: cannot read: refused"):
        RemoteCopy("memory://x", "mine", refuse).fetch()


def test_into_the_run_or_here_for_a_run_at_a_url() -> None:
    assert local_run_file("some/run", "driver.log", "mine") == Path("some/run/driver.log")
    one = local_run_file("s3://bucket/one", "driver.log", "mine")
    assert one.parent == Path("runs")
    assert (one.name.startswith("mine-"), one.name.endswith("-driver.log")) == (True, True)
    assert one == local_run_file("s3://bucket/one/", "driver.log", "mine")
    assert one != local_run_file("s3://bucket/other", "driver.log", "mine")
