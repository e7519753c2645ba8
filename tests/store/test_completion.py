"""A record whose judge was down is replaced once by one with verdicts; no row is lost or doubled."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lookahead_ray import store
from lookahead_ray.errors import StoreError
from lookahead_ray.store.files import Files
from lookahead_ray.store.lease import Lease, leased
from lookahead_ray.store.writer import Store
from lookahead_ray.trial.record import TrialRecord, judged_record
from tests.factory import SWEEP_ID, make_record

IDENTITY = store.SweepIdentity(SWEEP_ID, "quickstart", "h", {}, "now")


def unjudged(record: TrialRecord) -> TrialRecord:
    """Return the record as it is if the judge of RSR and JSR was down."""
    rows = tuple(
        replace(row, verdict="unjudged", score=None) if row.metric in ("rsr", "jsr") else row
        for row in record.generations
    )
    waits = replace(record, status="unjudged", error="judge llm: no connection", rsr=None, jsr=None)
    return replace(waits, safety=None, objective=None, objectives=()).with_measured(generations=rows)


@pytest.fixture(params=["directory", "url"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "run") if request.param == "directory" else f"memory://{tmp_path.name}/run"


@pytest.fixture
def writer(run: str) -> Iterator[Store]:
    with store.lock(run) as hold:
        yield store.create(run, IDENTITY, hold)


def test_a_trial_is_completed_in_place_and_comes_last(run: str, writer: Store) -> None:
    first, second, third = (make_record(seed) for seed in (1, 2, 3))
    for record in (unjudged(first), second, unjudged(third)):
        writer.commit(record)
    assert [record.status for record in store.open(run).records()] == ["unjudged", "completed", "unjudged"]
    (waiting,) = (record for record in store.open(run).records() if record.trial_id == first.trial_id)
    assert {(row["trial_id"], row["metric"]) for row in _rates(run) if row["metric"] in ("rsr", "jsr")} == {
        (second.trial_id, "rsr"),
        (second.trial_id, "jsr"),
    }
    writer.complete(replace(judged_record(waiting, first.generations), objective=0.5, objectives=(0.5,)))
    writer.commit(make_record(4))
    records = store.open(run).records()
    assert [record.trial_id for record in records] == ["trial-2", "trial-3", "trial-1", "trial-4"]
    assert records[2] == replace(first, objective=0.5, objectives=(0.5,))
    trials = store.open(run).trials()["trial_id"].to_pylist()
    assert sorted(trials) == ["trial-1", "trial-2", "trial-3", "trial-4"]
    names = [name for name in Files(run).sizes("tables") if "/trial-1" in name]
    assert len(names) == 5


def _rates(run: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = store.recompute_rates(store.open(run).generations()).to_pylist()
    return rows


def test_only_a_committed_trial_can_be_completed_and_only_once(writer: Store) -> None:
    record = make_record(1)
    with pytest.raises(StoreError, match="must be a committed trial, got 'trial-1'"):
        writer.complete(record)
    writer.commit(unjudged(record))
    with pytest.raises(StoreError, match="generations: must have 32 rows, got 31"):
        writer.complete(record.with_measured(generations=record.generations[1:]))
    writer.complete(record)
    written = [Files(writer.run).sizes(folder) for folder in ("tables", "ledger")]
    with pytest.raises(StoreError, match="trial trial-1 is not completed: it was completed before"):
        writer.complete(record)
    assert [Files(writer.run).sizes(folder) for folder in ("tables", "ledger")] == written


@pytest.mark.parametrize("call", range(1, 7))
def test_whatever_write_fails_the_trial_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    run, record = str(tmp_path / "run"), make_record(1)
    writer = store.create(run, IDENTITY)
    writer.commit(unjudged(record))
    calls, real = [0], {name: getattr(Files, name) for name in ("write", "create", "remove")}

    def failing(name: str) -> Callable[..., Any]:
        def method(self: Files, *arguments: Any) -> Any:
            calls[0] += 1
            if calls[0] == call:
                raise StoreError("disk full")
            return real[name](self, *arguments)

        return method

    with monkeypatch.context() as patch:
        for name in real:
            patch.setattr(Files, name, failing(name))
        done = call > 3  # two tables and the commit; then old tables are removed
        fails = pytest.raises(StoreError, match="trial trial-1 is not completed: disk full")
        with nullcontext() if done else fails:
            writer.complete(record)
    (found,) = store.open(run).records()
    assert found == (record if done else unjudged(record))
    if not done:
        store.create(run, IDENTITY).complete(record)
        assert store.open(run).records() == [record]


def test_a_driver_that_lost_the_run_completes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lookahead_ray.store.lease.STALE_S", 0.2)
    monkeypatch.setattr("lookahead_ray.store.lease.POLL_S", 0.05)
    run, record = f"memory://{tmp_path.name}/run", make_record(1)
    hold = Lease(run)
    hold.take()
    writer = store.create(run, IDENTITY, hold)
    writer.commit(unjudged(record))
    with leased(run) as other:
        store.create(run, IDENTITY, other).complete(record)
    with pytest.raises(StoreError, match="lost to another driver"):
        writer.complete(record)
    assert store.open(run).records() == [record]
