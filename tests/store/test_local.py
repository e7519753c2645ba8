"""A run in a local directory: the contract of every run, and locks, crashes and kills."""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from lookahead_ray import store
from lookahead_ray.errors import StoreError
from tests.factory import make_record
from tests.store.contract import IDENTITY, StoreContract

ROOT = Path(__file__).parents[2]
lock_module = sys.modules[store.lock.__module__]


class TestLocal(StoreContract):
    @pytest.fixture
    def run(self, tmp_path: Path) -> str:
        return str(tmp_path / "new" / "run [1] *é")

    def test_a_file_url_is_the_same_run(self, tmp_path: Path) -> None:
        store.create(f"file://{tmp_path}/run", IDENTITY).commit(make_record(1))
        assert store.open(str(tmp_path / "run")).records() == [make_record(1)]

    def test_a_path_below_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(StoreError, match="file/run"):
            store.create(str(tmp_path / "file" / "run"), IDENTITY)

    def test_a_directory_that_cannot_be_made(self) -> None:
        with pytest.raises(StoreError, match=r"/proc/nope/run/sweep\.json: cannot write"):
            store.create("/proc/nope/run", IDENTITY)
        with (
            pytest.raises(StoreError, match="/proc/nope/run/lock: cannot open"),
            store.lock("/proc/nope/run"),
        ):
            pass

    def test_a_url_with_one_slash(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        line = r"s3:/bucket/run: cannot open: a URL must have two slashes after 's3:'"
        with pytest.raises(StoreError, match=line), store.lock("s3:/bucket/run"):
            pass
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("name", ["a::b", "new:/x", "s3:"])
    def test_names_that_look_like_urls(self, tmp_path: Path, name: str) -> None:
        store.create(f"{tmp_path}/{name}", IDENTITY).commit(make_record(1))
        assert (tmp_path / name / "commits" / "trial-1.json").exists()

    def test_a_session_of_a_later_version(self, run: str) -> None:
        fields = {
            "started_at": "now",
            "process": "process 1 on here",
            "job": None,
            "trials": 3,
            "mood": "good",
        }
        store.Hold(run).keep("session.json", json.dumps(fields).encode())
        session = store.read_session(run)
        assert session
        assert (session.process, session.how) == ("process 1 on here", None)

    def test_an_unknown_protocol(self) -> None:
        with pytest.raises(StoreError, match="nonsense://x: cannot open: "):
            store.open("nonsense://x")

    def test_one_driver_at_a_time(self, run: str) -> None:
        with store.lock(run):
            with pytest.raises(StoreError, match=f"lock: .*process {os.getpid()} on "), store.lock(run):
                pass
            store.create(run, IDENTITY).commit(make_record(1))
            assert len(store.open(run).records()) == 1
        with store.lock(run):
            store.create(run, IDENTITY).commit(make_record(2))

    def test_a_forked_child_does_not_keep_the_lock(self, run: str) -> None:
        with store.lock(run):
            read, write = os.pipe()
            if not (child := os.fork()):
                os.close(write)
                os.read(read, 1)
                os._exit(0)
        with store.lock(run):
            pass
        os.close(write)
        os.waitpid(child, 0)

    def test_looking_for_the_driver_refuses_none(self, run: str) -> None:
        ended = threading.Event()
        seen: set[str | None] = set()

        def look() -> None:
            while not ended.is_set():
                seen.add(store.holder(run))

        with store.lock(run):
            assert store.holder(run) == f"process {os.getpid()} on {socket.gethostname()}"
        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            for _ in range(300):
                with store.lock(run):
                    pass
        finally:
            ended.set()
            watcher.join()
        assert None in seen
        assert store.holder(run) is None

    @pytest.mark.parametrize(
        ("options", "noted"), [("rw,nolock,vers=3", True), ("rw,local_lock=none", False)]
    )
    def test_locks_that_other_machines_cannot_see_are_noted(
        self, run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: str, noted: bool
    ) -> None:
        mounts = tmp_path / "mounts"
        mounts.write_text(f"disk / ext4 rw 0 0\nserver:/home {tmp_path} nfs4 {options} 0 0\n")
        monkeypatch.setattr(lock_module, "MOUNTS", mounts)
        said: list[str] = []
        with store.lock(run, said.append):
            assert ["without locks between machines" in line for line in said] == [True] * noted

    def test_the_next_commit_comes_last_after_the_repair_of_an_earlier_one(self, run: str) -> None:
        """A damaged trial is dropped by deleting its commit file; numbers of commits are not given again."""
        writer = store.create(run, IDENTITY)
        for number in range(3):
            writer.commit(make_record(number))
        Path(run, "commits", "trial-1.json").unlink()
        again = store.create(run, IDENTITY)
        again.commit(make_record(4))
        again.commit(make_record(1))
        ids = [record.trial_id for record in store.open(run).records()]
        assert ids == ["trial-0", "trial-2", "trial-4", "trial-1"]

    @pytest.mark.parametrize("call", ["replace", "fsync"])
    def test_a_crash_at_any_step_leaves_nothing_visible(
        self, run: str, monkeypatch: pytest.MonkeyPatch, call: str
    ) -> None:
        """Makes the k-th rename or fsync of a commit fail, for every k."""
        writer = store.create(run, IDENTITY)
        writer.commit(make_record(0))  # creates the directories
        real, left = getattr(os, call), 0

        def failing(*arguments: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise OSError(28, "No space left on device")
            return real(*arguments)

        monkeypatch.setattr(os, call, failing)
        steps = {"replace": 6, "fsync": 12}[call]  # a commit whose directory can't be synced is removed again
        for left in range(steps):
            before = left
            with pytest.raises(StoreError, match="No space left"):
                writer.commit(make_record(1))
            assert left == -1, f"step {before} of {steps} never came"
            assert store.open(run).records() == [make_record(0)]
        left = 1000
        writer.commit(make_record(1))
        assert store.open(run).records() == [make_record(0), make_record(1)]

    def test_kill_9_at_any_instant(self, run: str) -> None:
        kills = 40
        command = [sys.executable, "-m", "tests.store.kill_loop", run, str(kills), "7"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        killed, cut_short = map(int, done.stdout.split())
        assert killed == kills, done.stderr
        assert cut_short > 0, "no kill came while a commit was under way"
        reader = store.open(run)
        records = reader.records()
        assert len(records) >= 3
        assert records == [make_record(seed) for seed in range(len(records))]
        for table in store.TABLES:
            assert reader.table(table).to_pylist() == reader.dataset(table).to_table().to_pylist()
