"""Drivers of one run at a URL under thousands of random schedules and faults; see `simulation`.

The store's code is the real one. Replaced are the clock, threads, the object store, and the thread pool for
reading; each record is serialised once.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import Any

import pyarrow as pa
import pytest

from lookahead_ray import store
from lookahead_ray.errors import StoreError
from lookahead_ray.store import SweepIdentity, TableName, lease, writer
from lookahead_ray.store.conversion import to_tables
from lookahead_ray.store.files import Files
from lookahead_ray.store.lease import Lease, leased
from lookahead_ray.store.ledger import Ledger
from lookahead_ray.store.session import Session, write_session
from lookahead_ray.store.writer import REPLACED, to_parquet
from lookahead_ray.trial.record import TrialRecord
from tests.factory import make_record
from tests.store import simulation
from tests.store.simulation import Killed, Process, SimulatedStore, Thread, World

RUN, ROOT = "sim://bucket/run", "bucket/run"
TRIALS, MACHINES, SESSIONS = 3, 2, 3
SESSION = Session("2026-01-01T00:00:00Z", "process", None, TRIALS)


@cache
def record_of(trial: int, process: int, sweep_id: str) -> TrialRecord:
    """Return the trial as a process measured it: each process has other values for the same id."""
    made = make_record(100 * process + trial, sweep_id=sweep_id, prompts=1, steps=1)
    return replace(made, trial_id=f"trial-{trial}")


@cache
def judged_of(trial: int, process: int, sweep_id: str) -> TrialRecord:
    """Return the trial with the verdicts that a judge gave later."""
    record = record_of(trial, process, sweep_id)
    rows = tuple(replace(row, verdict="unsafe", score=0.0) for row in record.generations)
    return replace(record, objective=9.0).with_measured(generations=rows)


@cache
def contents_of(trial: int, process: int, sweep_id: str, judged: bool) -> dict[TableName, bytes]:
    record = record_of(trial, process, sweep_id)
    tables = to_tables(record)
    if judged:
        later = to_tables(judged_of(trial, process, sweep_id))
        tables = {**tables, **{name: later[name] for name in REPLACED}}
    return {name: to_parquet(table) for name, table in tables.items()}


class Checks:
    """What the processes were answered and what readers saw, compared with the store."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.tried: dict[str, set[tuple[int, str]]] = {}  # trial id -> processes that measured it, sweep ids
        self.seen: dict[str, int] = {}  # trial id -> process whose rows a reader or the process itself saw
        self.judged: set[str] = set()  # ids of trials seen with later verdicts
        world.observe = self.look

    def acknowledged(self, trial_id: str, process: int) -> None:
        """Note that a process was answered that its trial is committed."""
        assert self.seen.setdefault(trial_id, process) == process, f"{trial_id}: committed, but of another"
        self.look()

    def completed(self, trial_id: str) -> None:
        """Note that a process was answered that its trial has its later verdicts."""
        self.judged.add(trial_id)
        self.look()

    def look(self) -> None:
        """Read the run as a reader does; raises AssertionError if it is not as it must be."""
        if f"{ROOT}/sweep.json" not in self.world.objects:
            assert not self.seen
            return
        with simulation.outside():
            try:
                commits = store.open(RUN)._commits
            except StoreError as error:
                raise AssertionError(f"the run is unreadable: {error}") from error
        self._judged_now: set[str] = set()
        found = {commit.trial_id: self._process_of(commit.trial_id, commit.files) for commit in commits}
        assert len({commit.sequence for commit in commits}) == len(commits)
        for trial_id, process in self.seen.items():
            assert found.get(trial_id) == process, f"{trial_id} of {process}: now of {found.get(trial_id)}"
        self.seen.update(found)
        assert self.judged <= self._judged_now
        self.judged |= self._judged_now

    def _process_of(self, trial_id: str, files: dict[TableName, Any]) -> int:
        contents = {name: self.world.objects[f"{ROOT}/{file.path}"] for name, file in files.items()}
        trial = int(trial_id.removeprefix("trial-"))
        for process, sweep_id in self.tried[trial_id]:
            if contents == contents_of(trial, process, sweep_id, judged=False):
                return process
            if contents == contents_of(trial, process, sweep_id, judged=True):
                self._judged_now.add(trial_id)
                return process
        raise AssertionError(f"{trial_id}: holds rows of several processes")

    def check_ledger(self) -> None:
        """Check that only the driver that had taken the run committed, each trial once."""
        names = sorted(name for name in self.world.objects if name.startswith(f"{ROOT}/ledger/0"))
        entries = [json.loads(self.world.objects[name]) for name in names]
        holder, committed = None, []
        for entry in entries:
            if entry["kind"] == "taken":
                holder = entry["token"]
            assert entry["token"] == holder
            if entry["kind"] == "commit":
                committed.append(entry["pending"]["name"])
        assert len(set(committed)) == len(committed)
        folders = f"{ROOT}/commits/", f"{ROOT}/judged/"
        commits = [name for name in self.world.objects if name.startswith(folders)]
        assert {name.removeprefix(f"{ROOT}/") for name in commits} == {*committed}


def drive(process: Process, checks: Checks) -> None:
    """Run a driver's session as `sweep` does, up to the last trial."""
    rng = checks.world.rng
    with leased(RUN) as held:
        process.lease = held
        identity = SweepIdentity(f"sweep-{process.number % 2}", "two", "hash", {}, "2026-01-01T00:00:00Z")
        opened = store.create(RUN, identity, held)
        write_session(held, SESSION)
        store.open(RUN)
        for trial in range(TRIALS):
            if f"trial-{trial}" in opened.committed_ids():
                continue
            simulation.sleep(rng.choice((0.0, 1.0, 20.0)))
            record = record_of(trial, process.number, opened.identity.sweep_id)
            key = process.number, opened.identity.sweep_id
            checks.tried.setdefault(record.trial_id, set()).add(key)
            try:
                opened.commit(record)
            except StoreError:
                if rng.random() < 0.5:
                    raise
                opened.commit(record)
            checks.acknowledged(record.trial_id, process.number)
            with suppress(StoreError):  # as RemoteCopy.push
                held.keep("study.journal", b"journal")
        for trial_id, measured_by in sorted(checks.seen.items()):
            if trial_id not in checks.judged and rng.random() < 0.5:
                simulation.sleep(1.0)
                (key,) = [key for key in checks.tried[trial_id] if key[0] == measured_by]
                opened.complete(judged_of(int(trial_id[-1]), *key))
                checks.completed(trial_id)
        write_session(held, replace(SESSION, how="finished"))


def run_machine(machine: int, sessions: int, checks: Checks) -> None:
    """Start a driver again after each end of it, until the sweep is finished."""
    thread = checks.world.running()
    for session in range(sessions):
        thread.process = Process(SESSIONS * machine + min(session, SESSIONS - 1))
        thread.process.main, thread.interrupted = thread, False
        with suppress(StoreError, KeyboardInterrupt, Killed):
            drive(thread.process, checks)
            return
        thread.process = Process(-1)  # between two drivers
        thread.wait(checks.world.rng.choice((0.0, 5.0, 60.0)))
    assert not checks.world.calm, "the run can't be finished"


def run_schedule(seed: int) -> World:
    """Run two machines with faults, then one without; raises AssertionError if the run is harmed."""
    world = World(seed)
    checks = Checks(world)
    for machine in range(MACHINES):
        Thread(run_machine, (machine, SESSIONS, checks), process=Process(-1)).start()
    world.run()
    checks.look()
    world.calm = True
    Thread(run_machine, (MACHINES, 10, checks), process=Process(-1)).start()
    world.run()
    world.finish_late()
    checks.look()
    checks.check_ledger()
    assert len(checks.seen) == TRIALS
    world.counts["completed"] = len(checks.judged)
    tables = [name for name in world.objects if "/tables/" in name]
    world.counts["orphans"] = len(tables) - TRIALS * len(store.TABLES)
    taken = [name for name, value in world.objects.items() if "/ledger/" in name and b'"taken"' in value]
    world.counts["taken over"] = len(taken) - 1
    return world


@pytest.fixture(autouse=True)
def simulated(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    tables: dict[int, dict[TableName, pa.Table]] = {}  # by record; the cached records live as long
    contents: dict[int, bytes] = {}  # by table

    def to_tables_once(record: TrialRecord) -> dict[TableName, pa.Table]:
        if id(record) not in tables:
            tables[id(record)] = to_tables(record)
        return tables[id(record)]

    def to_parquet_once(table: pa.Table) -> bytes:
        if id(table) not in contents:
            contents[id(table)] = to_parquet(table)
        return contents[id(table)]

    monkeypatch.setattr(writer, "to_tables", to_tables_once)
    monkeypatch.setattr(writer, "to_parquet", to_parquet_once)
    monkeypatch.setattr(lease, "threading", simulation.THREADING)
    monkeypatch.setattr(lease, "os", simulation.OS)
    monkeypatch.setattr(Files, "read_all", lambda files, names: [files.read(name) for name in names])
    monkeypatch.setattr(time, "sleep", simulation.sleep)
    monkeypatch.setattr(time, "monotonic", simulation.monotonic)
    yield
    SimulatedStore.ignores_conditions = False


def run_schedules(seeds: range) -> dict[str, int]:
    total: dict[str, int] = {}
    for seed in seeds:
        try:
            world = run_schedule(seed)
        except BaseException as error:
            error.add_note(f"schedule {seed}")
            raise
        for name, count in world.counts.items():
            total[name] = total.get(name, 0) + count
    return total


def test_no_schedule_of_some_harms_a_run() -> None:
    counts = run_schedules(range(80))
    assert min(counts[name] for name in ("suspended", "cut off", "killed", "answer lost", "late")) > 10, (
        counts
    )
    assert counts["taken over"] > 50, counts
    assert counts["lost"] > 10, counts
    assert counts["completed"] > 50, counts


@pytest.mark.slow
@pytest.mark.long
def test_no_schedule_of_thousands_harms_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    counts = run_schedules(range(1_000, 3_000))
    with capsys.disabled():
        print(f"\n2,000 schedules: {counts}")


def unfenced_commit(held: Lease, name: str, content: bytes) -> bool:
    held.files.write(name, content)
    return True


def unconditional(patch: pytest.MonkeyPatch) -> None:
    SimulatedStore.ignores_conditions = True
    patch.setattr(Ledger, "probe", lambda ledger: None)


SABOTAGE: dict[str, tuple[int, Callable[[pytest.MonkeyPatch], None]]] = {
    "commits overwritten": (80, lambda patch: patch.setattr(Lease, "commit", unfenced_commit)),
    "one name for all attempts": (0, lambda patch: patch.setattr(Lease, "table_suffix", lambda held: "")),
    "a store without conditions": (0, unconditional),
    "files of newer drivers removed": (
        180,
        lambda patch: patch.setattr(Lease, "supersedes", lambda held, name: True),
    ),
    "the lost lease ignored": (0, lambda patch: patch.setattr(Lease, "_refuse", lambda held, again: None)),
}
"""Faults of the store -> a schedule shortly before the first that finds it, and the fault."""


@pytest.mark.parametrize("fault", SABOTAGE)
def test_the_schedules_find_a_store_with(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first, sabotage = SABOTAGE[fault]
    monkeypatch.setattr(Checks, "check_ledger", lambda checks: None)  # readers must see it
    sabotage(monkeypatch)
    with pytest.raises(AssertionError):
        run_schedules(range(first, first + 1_000))
