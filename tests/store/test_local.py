"""A run in a local directory: the contract of every run, and locks, crashes and kills."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lookahead_ray import store
from lookahead_ray.errors import StoreError
from tests.factory import make_record
from tests.store.contract import IDENTITY, StoreContract

ROOT = Path(__file__).parents[2]


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
        steps = {"replace": 6, "fsync": 11}[call]  # the last fsync comes after the commit is visible
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
