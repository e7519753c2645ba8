"""The study on disk: what other processes see, and recovery from lost sessions and files."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import TrialState

from lookahead_ray.config.load import Sweep
from lookahead_ray.errors import StoreError
from lookahead_ray.evaluate.results import Rate
from lookahead_ray.objective.base import ObjectiveValues
from lookahead_ray.sweep.search import journal as journal_module
from lookahead_ray.sweep.search.jobs import reference_jobs
from lookahead_ray.sweep.search.search import Search
from lookahead_ray.trial.record import TrialRecord
from tests.sweep.search.searching import asked, load, record_of, run, stopped, told

COUNT = """
import sys, optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
study = optuna.load_study(study_name="space s", storage=JournalStorage(JournalFileBackend(sys.argv[1])))
frame = study.trials_dataframe()
print(study.metric_names, len(frame), sorted(frame["state"]), list(frame["user_attrs_trial_id"]))
"""
PARETO = ("objective={name: pareto}", "search.sampler={name: random}")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "run" / "study.journal"


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return load(tmp_path, overrides=("search.sampler={name: random}",))


def open_search(sweep: Sweep, committed: list[TrialRecord], journal: Path, **other: Any) -> Search:
    return Search(sweep, committed, journal, sweep_id="s", **other)


def read(journal: Path, name: str = "space s") -> optuna.Study:
    """Return the study as another process finds it."""
    return optuna.load_study(study_name=name, storage=JournalStorage(JournalFileBackend(str(journal))))


def by_id(study: optuna.Study) -> dict[str, optuna.trial.FrozenTrial]:
    ids = [trial.user_attrs["trial_id"] for trial in study.trials]
    assert len(set(ids)) == len(ids)
    return dict(zip(ids, study.trials, strict=True))


def reference(sweep: Sweep, role: str, rsr: float, utility: float) -> TrialRecord:
    """Return a reference with rates."""
    (job,) = [job for job in reference_jobs(sweep, []) if job.role == role]
    rates = {
        metric: Rate(value, value, value, 10, 0)
        for metric, value in (("rsr", rsr), ("jsr", rsr), ("utility", utility))
    }
    return replace(record_of(job, (0.5,) * (1 + (sweep.objective.name == "pareto"))), **rates)  # type: ignore[arg-type]


class TestWhatOthersSee:
    def test_another_process_reads_it_while_the_search_writes(self, tmp_path: Path, journal: Path) -> None:
        search = open_search(load(tmp_path, overrides=PARETO), [], journal)
        run(search, 2, lambda job: record_of(job, (0.1, 0.2)))
        search.tell(record_of(asked(search), ()))
        asked(search)
        found = subprocess.run(
            [sys.executable, "-c", COUNT, str(journal)], capture_output=True, text=True, check=True
        )
        assert found.stdout.split("\n")[0] == (
            "['safety', 'utility'] 4 ['COMPLETE', 'COMPLETE', 'FAIL', 'RUNNING'] "
            "['search-001', 'search-002', 'search-003', 'search-004']"
        )
        assert asked(search).trial_id == "search-005"

    def test_trials_have_descriptive_attributes(self, sweep: Sweep, journal: Path) -> None:
        search = open_search(sweep, [], journal)
        job = asked(search)
        rsr, utility = Rate(0.75, 0.6, 0.9, 20, 1), Rate(0.25, 0.1, 0.4, 20, 0)
        search.tell(replace(record_of(job), rsr=rsr, utility=utility))
        trial = by_id(read(journal))["search-001"]
        assert trial.params == job.params
        assert trial.value == 0.5
        assert trial.user_attrs == {
            "trial_id": "search-001",
            "role": "search",
            "label": job.label,
            "config_hash": record_of(job).config_hash,
            "status": "completed",
            "rsr": 0.75,
            "utility": 0.25,
        }
        assert read(journal).user_attrs == {"sweep": "space", "sweep_id": "s"}

    def test_a_constraint_is_one_there(self, tmp_path: Path, journal: Path) -> None:
        search = open_search(load(tmp_path, overrides=("objective={name: floor, floor: 0.5}",)), [], journal)
        run(search, 1, lambda job: record_of(job, (0.9,), 0.1))
        run(search, 1, lambda job: record_of(job, (0.3,), -0.1))
        study = read(journal)
        assert [list(trial.constraints.values()) for trial in study.trials] == [[0.1], [-0.1]]
        assert study.metric_names == ["utility"]
        assert study.best_value == 0.3

    @pytest.mark.parametrize(
        ("objective", "estimated", "values", "constraints"),
        [
            ("{name: weighted}", ObjectiveValues((0.4,)), [0.4], []),
            ("{name: floor, floor: 0.5}", ObjectiveValues((0.4,), -0.2), [0.4], [-0.2]),
            ("{name: pareto}", ObjectiveValues((0.4, 0.7)), [0.4, 0.7], []),
        ],
    )
    def test_a_stopped_trial_has_its_estimate_and_is_marked(
        self,
        tmp_path: Path,
        journal: Path,
        objective: str,
        estimated: ObjectiveValues,
        values: list[float],
        constraints: list[float],
    ) -> None:
        sweep = load(tmp_path, overrides=(f"objective={objective}",))
        search = open_search(sweep, [], journal)
        record = stopped(asked(search))
        search.tell(record, estimated)
        journal.unlink()
        open_search(sweep, [record], journal, estimates={record.trial_id: estimated})
        (trial,) = read(journal).trials
        assert (trial.state, trial.values) == (TrialState.COMPLETE, values)
        assert list(trial.constraints.values()) == constraints
        assert (trial.user_attrs["status"], trial.user_attrs["estimated"]) == ("stopped", True)

    def test_a_stopped_trial_without_an_estimate_fails(self, sweep: Sweep, journal: Path) -> None:
        search = open_search(sweep, [], journal)
        search.tell(stopped(asked(search)))
        (trial,) = read(journal).trials
        assert (trial.state, trial.user_attrs["status"]) == (TrialState.FAIL, "stopped")


class TestReferences:
    def test_vanilla_is_a_trial_at_its_point_and_the_seed_an_attribute(
        self, sweep: Sweep, journal: Path
    ) -> None:
        references = [reference(sweep, "seed", 0.8, 0.1), reference(sweep, "vanilla", 0.4, 0.5)]
        for _ in range(2):  # and once more when the sweep is resumed
            search = open_search(sweep, references, journal)
        assert read(journal).user_attrs["seed"] == {"rsr": 0.8, "jsr": 0.8, "utility": 0.1}
        (vanilla,) = read(journal).trials
        assert (vanilla.user_attrs["role"], vanilla.user_attrs["trial_id"]) == ("vanilla", "vanilla")
        assert vanilla.params == {"preview": "none", "training.learning_rate": pytest.approx(1e-4)}
        assert asked(search).trial_id == "search-001"

    def test_vanilla_is_not_run_again(self, tmp_path: Path) -> None:
        text = "task: {name: word_problems}\npreview: {choice: [{strategy: none}, {strategy: true}]}\n"
        sweep = load(tmp_path, text)
        references = [reference(sweep, "seed", 0.8, 0.1), reference(sweep, "vanilla", 0.4, 0.5)]
        search = Search(sweep, references)
        assert asked(search).params == {"preview": "true"}
        assert search.ask() is None

    def test_where_the_space_has_no_vanilla_it_is_an_attribute(self, tmp_path: Path, journal: Path) -> None:
        text = (
            "task: {name: word_problems}\npreview: {strategy: true, length_tokens: {int: [1, 9]}}\n"
            "training: {learning_rate: {loguniform: [1e-5, 1e-3]}}\n"
        )
        sweep = load(tmp_path, text)
        open_search(
            sweep, [reference(sweep, "seed", 0.8, 0.1), reference(sweep, "vanilla", 0.4, 0.5)], journal
        )
        study = read(journal)
        assert study.trials == []
        assert study.user_attrs["vanilla"] == {"rsr": 0.4, "jsr": 0.4, "utility": 0.5}


class TestAfterTheWorst:
    """If the journal is lost, the search continues from the tables, which are the truth."""

    @pytest.fixture
    def committed(self, sweep: Sweep, journal: Path) -> list[TrialRecord]:
        return run(open_search(sweep, [], journal), 4)

    def expect_whole(self, sweep: Sweep, committed: list[TrialRecord], journal: Path) -> Search:
        search = open_search(sweep, committed, journal)
        trials = by_id(read(journal))
        assert set(trials) == {record.trial_id for record in committed}
        assert all(trial.state == TrialState.COMPLETE for trial in trials.values())
        expected = Search(sweep, committed)
        assert asked(search) == asked(expected)
        return search

    def test_a_line_that_was_not_written_whole_is_cut(
        self, sweep: Sweep, committed: list[TrialRecord], journal: Path
    ) -> None:
        whole = journal.read_bytes()
        last = whole.rstrip(b"\n").rfind(b"\n") + 1
        for length in (last + 1, last + 20, len(whole) - 1):
            journal.write_bytes(whole[:length])
            self.expect_whole(sweep, committed, journal)
            assert not journal.with_name("study.journal.damaged").exists()

    @pytest.mark.parametrize("damage", [b"{]\n", b"\0" * 30 + b"\n", b'{"op_code":99}\n', b"[]\n"])
    def test_a_damaged_journal_is_set_aside_and_written_again(
        self, sweep: Sweep, committed: list[TrialRecord], journal: Path, damage: bytes
    ) -> None:
        lines = journal.read_bytes().splitlines(keepends=True)
        journal.write_bytes(b"".join([*lines[:5], damage, *lines[5:]]))
        self.expect_whole(sweep, committed, journal)
        assert damage in journal.with_name("study.journal.damaged").read_bytes()

    def test_a_lost_journal_is_written_again(
        self, sweep: Sweep, committed: list[TrialRecord], journal: Path
    ) -> None:
        journal.unlink()
        self.expect_whole(sweep, committed, journal)

    def test_an_older_copy_is_filled_up(
        self, sweep: Sweep, committed: list[TrialRecord], journal: Path
    ) -> None:
        old = journal.read_bytes()
        more = run(open_search(sweep, committed, journal), 3)
        journal.write_bytes(old)
        self.expect_whole(sweep, [*committed, *more], journal)

    def test_an_end_that_no_table_holds_is_not_believed(
        self, sweep: Sweep, committed: list[TrialRecord], journal: Path
    ) -> None:
        self.expect_whole(sweep, committed[:2], journal)
        assert journal.with_name("study.journal.damaged").exists()

    def test_running_trials_come_again_first_each_once(self, sweep: Sweep, journal: Path) -> None:
        first = open_search(sweep, [], journal)
        jobs = [asked(first) for _ in range(4)]
        committed = [
            record_of(jobs[2]),
            record_of(jobs[0]),
        ]  # in order of their ends; the process was killed before the study got them
        search = open_search(sweep, committed, journal)
        assert [asked(search), asked(search)] == [jobs[1], jobs[3]]
        assert asked(search).trial_id == "search-005"
        states = {trial_id: trial.state.name for trial_id, trial in by_id(read(journal)).items()}
        assert states == {
            "search-001": "COMPLETE",
            "search-002": "RUNNING",
            "search-003": "COMPLETE",
            "search-004": "RUNNING",
            "search-005": "RUNNING",
        }

    def test_another_sweep_in_the_same_file_is_independent(self, sweep: Sweep, journal: Path) -> None:
        records = run(open_search(sweep, [], journal), 2)
        asked(open_search(sweep, records, journal))
        other = Search(sweep, [], journal, sweep_id="other")
        assert asked(other).trial_id == "search-001"
        assert len(read(journal).trials) == 3
        assert told([record_of(asked(open_search(sweep, records, journal)))])[0][0] == "search-003"

    def test_a_full_disk_is_one_line(
        self, sweep: Sweep, journal: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        search = open_search(sweep, [], journal)
        job = asked(search)

        def full(descriptor: int) -> None:
            raise OSError(28, "No space left")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(
            StoreError, match=r"study\.journal: cannot be written: No space left; fix the cause"
        ):
            search.tell(record_of(job))

    def test_a_folder_that_cannot_be_made_is_one_line(self, sweep: Sweep, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(StoreError, match=r"study\.journal: cannot be written: "):
            open_search(sweep, [], tmp_path / "file" / "study.journal")


NOTES = """
import sys, optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
study = optuna.load_study(study_name="space s", storage=JournalStorage(JournalFileBackend(sys.argv[1])))
print("ready", flush=True)
for number in range(int(sys.argv[2])):
    study.set_user_attr(f"note {number}", "x" * 3000)
"""


class Late(BaseException):
    """Not an Exception, so neither Optuna nor this package catches it."""


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Fail if the block takes longer."""

    def expired(*_: Any) -> None:
        raise Late

    before = signal.signal(signal.SIGALRM, expired)
    signal.alarm(seconds)
    try:
        yield
    except Late:
        pytest.fail(f"took longer than {seconds} s")
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class TestStaleLock:
    """A killed process leaves `study.journal.lock`; whatever it is, the next process writes after seconds."""

    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Return an empty run, relative to the working directory."""
        monkeypatch.chdir(tmp_path)
        folder = Path("runs", "x")
        folder.mkdir(parents=True)
        return folder

    @pytest.fixture
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(journal_module, "STALE_LOCK_S", 0.3)

    def left(self, kind: str, lock: Path) -> None:
        """Create at `lock` what a killed process or a careless copy may leave."""
        targets = {
            "relative link": "runs/x/study.journal",
            "absolute link": str(lock.absolute().with_name("study.journal")),
            "link to the file's name": "study.journal",
            "link to nowhere": "/nowhere/study.journal",
            "link to itself": lock.name,
            "link to a folder": "/",
        }
        if kind in targets:
            lock.symlink_to(targets[kind])
        elif kind == "file":
            lock.write_text("")
        else:
            lock.mkdir()
            if kind == "folder with a file":
                (lock / "notes").write_text("mine")

    def test_a_relative_run_is_not_delayed(self, sweep: Sweep, folder: Path) -> None:
        self.left("relative link", folder / "study.journal.lock")
        with within(10):
            search = open_search(sweep, [], folder / "study.journal")
            run(search, 2)
        assert len(read(folder / "study.journal").trials) == 2
        assert [path.name for path in folder.iterdir()] == ["study.journal"]

    @pytest.mark.parametrize(
        "kind",
        [
            "relative link",
            "absolute link",
            "link to the file's name",
            "link to nowhere",
            "link to itself",
            "link to a folder",
            "file",
            "empty folder",
            "folder with a file",
        ],
    )
    @pytest.mark.parametrize(
        "place",
        [
            "relative",
            *(pytest.param(each, marks=pytest.mark.slow) for each in ("absolute", "through a link")),
        ],
    )
    @pytest.mark.usefixtures("impatient")
    def test_every_kind_is_taken_over(self, sweep: Sweep, folder: Path, kind: str, place: str) -> None:
        committed = run(open_search(sweep, [], folder / "study.journal"), 1)
        self.left(kind, folder / "study.journal.lock")
        if place == "absolute":
            path = folder.absolute() / "study.journal"
        elif place == "through a link":
            Path("elsewhere").symlink_to(folder.absolute())
            path = Path("elsewhere", "study.journal")
        else:
            path = folder / "study.journal"
        with within(5):
            search = open_search(sweep, committed, path)
            run(search, 1)
        assert len(read(path).trials) == 2
        left = {str(file.relative_to(folder)) for file in folder.rglob("*")} - {"study.journal"}
        assert len(left) == 2 * (kind == "folder with a file")  # files of others are not deleted

    @pytest.mark.usefixtures("impatient")
    def test_one_left_during_the_search(self, sweep: Sweep, folder: Path) -> None:
        search = open_search(sweep, [], folder / "study.journal")
        self.left("relative link", folder / "study.journal.lock")  # optuna-dashboard, killed
        with within(5):
            run(search, 1)
        assert len(read(folder / "study.journal").trials) == 1

    @pytest.mark.usefixtures("impatient")
    def test_another_working_directory(
        self, sweep: Sweep, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        search = open_search(sweep, [], folder / "study.journal")
        (tmp_path / "other").mkdir()
        monkeypatch.chdir(tmp_path / "other")
        self.left("link to nowhere", tmp_path / folder / "study.journal.lock")
        with within(5):
            run(search, 1)
        assert len(read(tmp_path / folder / "study.journal").trials) == 1
        assert list((tmp_path / "other").iterdir()) == []

    @pytest.mark.slow
    def test_optuna_elsewhere_sees_when_ours_is_stale(self, sweep: Sweep, folder: Path) -> None:
        open_search(sweep, [], folder / "study.journal")
        lock = journal_module.JournalLock(folder / "study.journal")
        lock.acquire()
        with within(10):  # this process was killed here; the dashboard writes a note
            other = JournalFileSymlinkLock(str(folder / "study.journal"), grace_period=3)
            other.acquire()
        other.release()

    @pytest.mark.usefixtures("impatient")
    def test_a_suspended_lock_holder_does_not_remove_anothers_lock(self, folder: Path) -> None:
        slept, other = (journal_module.JournalLock(folder / "study.journal") for _ in range(2))
        slept.acquire()
        other.acquire()
        slept.release()
        assert (folder / "study.journal.lock").is_symlink()
        other.release()
        assert list(folder.iterdir()) == []
        other.release()  # another process has considered it stale

    @pytest.mark.usefixtures("impatient")
    def test_a_holder_that_writes_is_waited_for(self, folder: Path) -> None:
        path = folder / "study.journal"
        path.write_text("")
        script = (
            "import os, sys, time\n"
            "os.symlink(sys.argv[1], sys.argv[1] + '.lock')\n"
            "print('held', flush=True)\n"
            "for _ in range(12):\n"
            "    time.sleep(0.1)\n"
            "    open(sys.argv[1], 'a').write('line\\n')\n"
            "os.unlink(sys.argv[1] + '.lock')\n"
        )
        holder = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE)
        assert holder.stdout
        holder.stdout.readline()
        started_s = time.monotonic()
        lock = journal_module.JournalLock(path)
        with within(20):
            lock.acquire()
        assert time.monotonic() - started_s > 0.9
        assert path.read_text().count("line") == 12
        lock.release()
        assert holder.wait() == 0

    def test_a_dashboard_writes_notes_meanwhile(self, sweep: Sweep, folder: Path) -> None:
        path = folder / "study.journal"
        committed = run(open_search(sweep, [], path), 1)
        notes = 60
        with subprocess.Popen(
            [sys.executable, "-c", NOTES, str(path), str(notes)], stdout=subprocess.PIPE
        ) as dashboard:
            assert dashboard.stdout
            dashboard.stdout.readline()
            while dashboard.poll() is None:  # the driver starts, and writes, between any two of its lines
                committed += run(open_search(sweep, committed, path), 1)
        assert dashboard.returncode == 0
        study = read(path)
        assert set(by_id(study)) == {record.trial_id for record in committed}
        assert sum(name.startswith("note ") for name in study.user_attrs) == notes
        assert [file.name for file in folder.iterdir()] == ["study.journal"]

    @pytest.mark.usefixtures("impatient")
    def test_one_that_cannot_be_removed_is_one_line(
        self, sweep: Sweep, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.left("relative link", folder / "study.journal.lock")

        def refused(*_: Any) -> None:
            raise PermissionError(1, "Operation not permitted")

        monkeypatch.setattr(os, "rename", refused)
        line = r"study\.journal: cannot be written: Operation not permitted"
        with within(5), pytest.raises(StoreError, match=line):
            open_search(sweep, [], folder / "study.journal")
