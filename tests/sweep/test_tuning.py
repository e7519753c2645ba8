"""The order in which a sweep's trials are asked for and committed."""

from dataclasses import replace
from typing import Any, cast

from lookahead_ray.config.load import Sweep
from lookahead_ray.config.objective import WeightedObjective
from lookahead_ray.config.search import SearchConfig
from lookahead_ray.sweep.ledger import Ledger
from lookahead_ray.sweep.stopping import Stopping
from lookahead_ray.sweep.tuning import _Agenda
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.record import Role, TrialRecord
from tests.factory import make_failed, make_record

NO_STOPPING = Stopping(
    Sweep("f", "s", {}, SearchConfig(), WeightedObjective()), committed=(), references=None
)


class Silent:
    def trial_finished(self, record: TrialRecord) -> None: ...


def job(role: Role) -> Job:
    return Job(role, role, {}, {}, role)


def ended(number: int, role: Role) -> TrialRecord:
    return replace(make_record(number, role=role), trial_id=role, objective=None)


def agenda(commits: list[TrialRecord]) -> _Agenda:
    ledger = Ledger(WeightedObjective(), (), commits.append, cast(Any, Silent()))
    return _Agenda([job("seed"), job("vanilla")], cast(Any, None), ledger, NO_STOPPING)


def test_vanilla_that_ends_first_waits_for_the_seed_and_has_an_objective() -> None:
    commits: list[TrialRecord] = []
    order = agenda(commits)
    order.finish(ended(2, "vanilla"))
    assert commits == []
    assert order.ask() is not None
    order.finish(ended(1, "seed"))
    assert {record.role for record in commits} == {"seed", "vanilla"}
    assert all(record.objective is not None for record in commits)


def test_vanilla_is_committed_though_the_seed_failed() -> None:
    commits: list[TrialRecord] = []
    order = agenda(commits)
    order.finish(ended(2, "vanilla"))
    order.finish(replace(make_failed(1), role="seed", trial_id="seed"))
    assert [record.role for record in commits] == ["seed", "vanilla"]
