"""The wall-clock time of a sweep: this session's, and that of earlier ones that were killed."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from lookahead_ray.config.load import Sweep
from lookahead_ray.config.objective import WeightedObjective
from lookahead_ray.config.search import BudgetConfig, SearchConfig
from lookahead_ray.sweep.attempts import SEEN_EVERY_S, Attempts
from lookahead_ray.sweep.limits import Limits
from lookahead_ray.sweep.trial_log import TrialLog
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.record import Role, TrialRecord
from tests.factory import make_record

OBJECTIVE = WeightedObjective()


class Silent:
    def budget(self, text: str) -> None: ...

    def trial_finished(self, record: TrialRecord) -> None: ...


def limits(attempts: Attempts, budget: BudgetConfig, now: list[float], **record: Any) -> Limits:
    sweep = Sweep("f", "s", {}, SearchConfig(budget=budget), WeightedObjective())
    records = [replace(make_record(1), **record)] if record else []
    trial_log = TrialLog(WeightedObjective(), records, lambda record: None, cast(Any, Silent()))
    return Limits(sweep, trial_log, cast(Any, Silent()), attempts, lambda: now[0])


def killed(file: Path, hours: float) -> None:
    """Leave the file of a session that was killed after so many hours, with a trial on 2 accelerators."""
    now = [0.0]
    session = Attempts(file, clock=lambda: now[0])
    session.begin("a", 2.0)
    while now[0] < 3600 * hours:
        now[0] += SEEN_EVERY_S
        session.note_alive()


def test_the_time_of_a_killed_session_counts(tmp_path: Path) -> None:
    killed(tmp_path / "attempts.json", hours=3)
    now = [0.0]
    attempts = Attempts(tmp_path / "attempts.json")
    found = limits(attempts, BudgetConfig(hours=4), now)
    assert not found.hours_are_up()
    now[0] = 3600.0
    assert found.hours_are_up()
    assert found.time_is_up()


def test_the_accelerator_hours_of_an_attempt_without_result_count(tmp_path: Path) -> None:
    killed(tmp_path / "attempts.json", hours=3)
    attempts = Attempts(tmp_path / "attempts.json")
    assert limits(attempts, BudgetConfig(accelerator_hours=6), [0.0]).time_is_up()
    assert not limits(attempts, BudgetConfig(accelerator_hours=6.1), [0.0]).time_is_up()
    assert not limits(Attempts(), BudgetConfig(accelerator_hours=6), [0.0]).time_is_up()


def test_trials_of_a_session_are_not_counted_beside_it(tmp_path: Path) -> None:
    killed(tmp_path / "attempts.json", hours=3)
    attempts = Attempts(tmp_path / "attempts.json")
    own = {"started_at": "1970-01-01T01:00:00+00:00", "seconds_total": 3600.0}
    assert not limits(attempts, BudgetConfig(hours=3.5), [0.0], **own).hours_are_up()


def test_references_of_another_run_use_up_nothing_of_the_budget() -> None:
    sweep = Sweep("f", "s", {}, SearchConfig(budget=BudgetConfig(hours=8, accelerator_hours=8)), OBJECTIVE)
    trial_log = TrialLog(OBJECTIVE, [], lambda *points: None, cast(Any, Silent()))
    roles: tuple[Role, ...] = ("seed", "vanilla")
    earlier = [replace(make_record(1, role=role), seconds_total=5 * 3600.0) for role in roles]
    trial_log.take_over(earlier, [Job(role, role, {}, {}, role) for role in roles], "new")
    found = Limits(sweep, trial_log, cast(Any, Silent()))
    assert not found.time_is_up()
    assert not found.search_ended(0)
