"""The order in which a sweep's trials are started and committed."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from lookahead_ray.config.load import Sweep
from lookahead_ray.config.objective import FloorObjective, WeightedObjective
from lookahead_ray.config.search import SearchConfig
from lookahead_ray.errors import InfrastructureError, TrialError
from lookahead_ray.objective.base import ObjectiveValues, ReferenceTrials
from lookahead_ray.objective.measuring_end import MeasuringEnd
from lookahead_ray.objective.share_choice import FloorBisection
from lookahead_ray.sweep.attempts import Attempts
from lookahead_ray.sweep.job_queue import JobQueue, NoJob
from lookahead_ray.sweep.stopping.early_stopping import EarlyStopping
from lookahead_ray.sweep.trial_log import TrialLog
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.record import Role, TrialRecord
from tests.factory import make_failed, make_record

NO_STOPPING = EarlyStopping(
    Sweep("f", "s", {}, SearchConfig(), WeightedObjective()), committed=(), references=None
)


class Silent:
    def trial_finished(self, record: TrialRecord) -> None: ...


def job(role: Role) -> Job:
    return Job(role, role, {}, {}, role)


def ended(number: int, role: Role) -> TrialRecord:
    return replace(make_record(number, role=role), trial_id=role, objective=None)


class Suggesting:
    """A search that suggests until its suggestions are used up."""

    def __init__(self, *trial_ids: str) -> None:
        self.left = list(trial_ids)
        self.told: list[str] = []
        self.points: list[list[TrialRecord]] = []  # of each training, as reported

    def ask(self) -> Job | None:
        return Job(self.left.pop(0), "search", {}, {}, "") if self.left else None

    def tell(
        self,
        record: TrialRecord,
        estimated: Sequence[float] = (),
        further: Sequence[TrialRecord] = (),
    ) -> None:
        self.told.append(record.trial_id)
        self.points.append([record, *further])

    def learn_references(self, references: ReferenceTrials, points: Sequence[TrialRecord] = ()) -> None:
        self.told += [record.trial_id for record in (references.vanilla, *points)]


class FixedLimits:
    """Return jobs for so many trials, then these rounds of repeats."""

    def __init__(self, trials: int, rounds: Sequence[Sequence[Job]]) -> None:
        self.trials = trials
        self.rounds = list(rounds)

    def search_ended(self, searched: int) -> bool:
        return searched >= self.trials

    is_up = False

    def time_is_up(self) -> bool:
        return self.is_up

    def hours_are_up(self) -> bool:
        return self.trials == 0

    def repeats(self) -> Sequence[Job]:
        return self.rounds.pop(0) if self.rounds else ()


def job_queue(
    commits: list[TrialRecord],
    search: Suggesting | None = None,
    references: Sequence[Job] = (),
    committed: Sequence[TrialRecord] = (),
    trials: int = 9,
    rounds: Sequence[Sequence[Job]] = (),
    attempts: Attempts | None = None,
    config: SearchConfig | None = None,
) -> JobQueue:
    trial_log = TrialLog(WeightedObjective(), committed, commits.append, cast(Any, Silent()))
    return JobQueue(
        references,
        cast(Any, search or Suggesting()),
        trial_log,
        NO_STOPPING,
        cast(Any, FixedLimits(trials, rounds)),
        attempts=attempts,
        search_config=config,
    )


def test_vanilla_that_ends_first_waits_for_the_seed_and_has_an_objective() -> None:
    commits: list[TrialRecord] = []
    order = job_queue(commits, references=[job("seed"), job("vanilla")])
    order.finish(ended(2, "vanilla"))
    assert commits == []
    assert order.next_job() == job("seed")
    order.finish(ended(1, "seed"))
    assert {record.role for record in commits} == {"seed", "vanilla"}
    assert all(record.objective is not None for record in commits)


@pytest.mark.parametrize("first", ["seed", "vanilla"])
def test_further_points_of_vanilla_are_scored_candidates_that_the_search_is_told(first: Role) -> None:
    commits: list[tuple[TrialRecord, ...]] = []
    search = Suggesting()
    order = job_queue([], search, [job("seed"), job("vanilla")])
    order._trial_log._commit = lambda *points: commits.append(points)
    for _ in range(2):
        order.next_job()
    points = (ended(2, "vanilla"), further_of_vanilla(3, "vanilla.2"), further_of_vanilla(4, "vanilla.3"))
    for role in (first, "vanilla" if first == "seed" else "seed"):
        order.finish(*(points if role == "vanilla" else [ended(1, "seed")]))
    assert [[record.trial_id for record in each] for each in commits] == [
        ["seed"],
        ["vanilla", "vanilla.2", "vanilla.3"],
    ]
    assert all(record.objective is not None for each in commits for record in each)
    assert search.told == ["vanilla", "vanilla.2", "vanilla.3"]
    assert order._searched == 0


def further_of_vanilla(number: int, trial_id: str) -> TrialRecord:
    return replace(ended(number, "search"), trial_id=trial_id, training_id="vanilla")


def test_vanilla_is_committed_though_the_seed_failed() -> None:
    commits: list[TrialRecord] = []
    order = job_queue(commits, references=[job("seed"), job("vanilla")])
    order.finish(ended(2, "vanilla"))
    with pytest.raises(TrialError, match="a reference failed, so no trial can be scored: seed: "):
        order.finish(replace(make_failed(1), role="seed", trial_id="seed"))
    assert [record.role for record in commits] == ["seed", "vanilla"]


REFERENCES = (ended(1, "seed"), ended(2, "vanilla"))


def record(trial_id: str, role: Role = "search") -> TrialRecord:
    return replace(make_record(3, role=role), trial_id=trial_id, objective=None)


def test_the_search_waits_for_the_references_and_ends_if_one_fails() -> None:
    order = job_queue([], Suggesting("a"), [job("seed"), job("vanilla")])
    assert [order.next_job(), order.next_job(), order.next_job()] == [
        job("seed"),
        job("vanilla"),
        NoJob.BLOCKED,
    ]
    order.finish(ended(1, "seed"))
    assert order.next_job() is NoJob.BLOCKED
    with pytest.raises(TrialError, match="a reference failed"):
        order.finish(replace(make_failed(2), role="vanilla", trial_id="vanilla"))
    assert order.next_job() is NoJob.EXHAUSTED


def test_a_failed_seed_model_ends_the_sweep_while_vanilla_trains() -> None:
    order = job_queue([], references=[job("seed"), job("vanilla")])
    for _ in range(2):
        order.next_job()
    with pytest.raises(TrialError, match="a reference failed"):
        order.finish(replace(make_failed(1), role="seed", trial_id="seed"))


def test_the_remaining_trials_are_searched_and_their_ends_passed_on() -> None:
    commits: list[TrialRecord] = []
    search = Suggesting("b", "c", "d")
    order = job_queue(commits, search, committed=(*REFERENCES, record("a")), trials=3)
    asked = [order.next_job(), order.next_job()]
    assert [found.trial_id for found in asked if isinstance(found, Job)] == ["b", "c"]
    assert order.next_job() is NoJob.BLOCKED
    for trial_id in ("c", "b"):
        order.finish(record(trial_id))
    assert search.told == ["c", "b"]
    assert order.next_job() is NoJob.EXHAUSTED
    assert [committed.trial_id for committed in commits] == ["c", "b"]


def test_repeats_come_in_rounds_once_all_else_is_committed() -> None:
    first, second = Job("r1", "repeat", {}, {}, ""), Job("r2", "repeat", {}, {}, "")
    third = Job("r3", "repeat", {}, {}, "")
    search = Suggesting("a")
    order = job_queue([], search, committed=REFERENCES, rounds=[[first, second], [third]])
    assert isinstance(order.next_job(), Job)
    assert order.next_job() is NoJob.BLOCKED
    order.finish(record("a"))
    assert [order.next_job(), order.next_job(), order.next_job()] == [first, second, NoJob.BLOCKED]
    order.finish(record("r1", "repeat"))
    assert order.next_job() is NoJob.BLOCKED
    order.finish(record("r2", "repeat"))
    assert order.next_job() == third
    order.finish(record("r3", "repeat"))
    assert order.next_job() is NoJob.EXHAUSTED
    assert search.told == ["a"]


def test_the_other_repeats_of_a_round_are_kept_while_work_is_looked_for() -> None:
    """A resumed sweep runs them at the same time, as one that was not interrupted."""
    repeats = [Job(name, "repeat", {}, {}, "") for name in ("r1", "r2", "r3")]
    order = job_queue([], committed=REFERENCES, rounds=[repeats])
    assert order.has_work()
    assert [order.next_job() for _ in repeats] == repeats


def test_no_repeat_of_a_round_starts_once_the_time_is_up() -> None:
    repeats = [Job(name, "repeat", {}, {}, "") for name in ("r1", "r2")]
    order = job_queue([], committed=REFERENCES, rounds=[repeats])
    assert order.next_job() == repeats[0]
    order._limits.is_up = True  # type: ignore[attr-defined]
    order.finish(record("r1", "repeat"))
    assert order.next_job() is NoJob.EXHAUSTED


def test_a_point_of_vanilla_that_is_judged_late_is_reported() -> None:
    search, waiting = Suggesting("a"), replace(further_of_vanilla(3, "vanilla.2"), status="unjudged")
    vanilla = replace(REFERENCES[1], training_id=REFERENCES[1].trial_id)
    waiting = replace(waiting, training_id=vanilla.trial_id)
    order = job_queue([], search, committed=(REFERENCES[0], vanilla, waiting))

    def judge() -> list[TrialRecord]:
        judged = replace(waiting, status="completed")
        return [order._trial_log.complete(judged, lambda record: None)]

    order._judge_again = judge
    order.finish(record(started(order)))
    assert search.told == ["a", vanilla.trial_id, "vanilla.2"]


def test_work_is_looked_for_without_losing_it() -> None:
    order = job_queue([], Suggesting("a"), committed=REFERENCES)
    assert order.has_work()
    assert order.has_work()
    found = order.next_job()
    assert isinstance(found, Job)
    assert found.trial_id == "a"
    assert not job_queue([], committed=REFERENCES).has_work()
    assert job_queue([], references=[job("seed")]).has_work()


def failed(trial_id: str) -> TrialRecord:
    return replace(make_failed(1), trial_id=trial_id, role="search")


def started(order: JobQueue) -> str:
    found = order.next_job()
    assert isinstance(found, Job)
    return found.trial_id


def test_a_trial_that_fails_through_the_infrastructure_runs_again_after_the_others() -> None:
    commits: list[TrialRecord] = []
    search = Suggesting("a", "b")
    order = job_queue(commits, search, committed=REFERENCES)
    order.finish(failed(started(order)), of_infrastructure=True)
    assert commits == []
    order.finish(record(started(order)))
    assert started(order) == "a"
    order.finish(record("a"))
    assert [committed.trial_id for committed in commits] == search.told == ["b", "a"]
    assert order.next_job() is NoJob.EXHAUSTED


def test_a_failed_configuration_is_committed_and_consumes_the_budget() -> None:
    commits: list[TrialRecord] = []
    order = job_queue(commits, Suggesting("a", "b"), committed=REFERENCES, trials=3)
    order.finish(failed(started(order)))
    assert [committed.status for committed in commits] == ["failed"]
    order.finish(failed(started(order)))
    assert order.next_job() is NoJob.EXHAUSTED


def test_the_sweep_stops_after_so_many_such_failures_in_a_row(tmp_path: Path) -> None:
    commits: list[TrialRecord] = []
    attempts = Attempts(tmp_path / "attempts.json")
    ids = [f"search-{number}" for number in range(9)]
    order = job_queue(commits, Suggesting(*ids), committed=REFERENCES, attempts=attempts)
    order.finish(failed(started(order)), of_infrastructure=True)
    order.finish(record(started(order)))  # so they are not in a row
    for _ in range(2):
        order.finish(failed(started(order)), of_infrastructure=True)
    with pytest.raises(InfrastructureError, match=r"3 trials in a row .*search-4: .*--resume"):
        order.finish(failed(started(order)), of_infrastructure=True)
    assert [committed.trial_id for committed in commits] == ["search-1"]
    attempts.close()
    assert Attempts(tmp_path / "attempts.json").count("search-4") == 1


def test_a_trial_ends_as_failed_after_so_many_attempts() -> None:
    commits: list[TrialRecord] = []
    config = SearchConfig(max_attempts=3, stop_after_failures=9)
    order = job_queue(commits, Suggesting("a"), committed=REFERENCES, config=config)
    for _ in range(3):
        order.finish(failed(started(order)), of_infrastructure=True)
    assert [(committed.trial_id, committed.status) for committed in commits] == [("a", "failed")]
    assert order.next_job() is NoJob.EXHAUSTED


def test_a_repeat_ends_as_failed_after_so_many_attempts(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path / "attempts.json")
    for _ in range(5):
        attempts.begin("r1", 1.0)
    repeats = [Job(name, "repeat", {}, {}, "") for name in ("r1", "r2")]
    commits: list[TrialRecord] = []
    order = job_queue(commits, committed=REFERENCES, rounds=[repeats], attempts=attempts)
    assert order.next_job() == repeats[1]
    assert [(committed.trial_id, committed.status) for committed in commits] == [("r1", "failed")]


def test_a_trial_that_kills_its_driver_is_not_first_for_ever(tmp_path: Path) -> None:
    commits: list[TrialRecord] = []
    order_of_starts = []
    for _ in range(6):
        attempts = Attempts(tmp_path / "attempts.json")
        order = job_queue(commits, Suggesting("killer", "b"), committed=REFERENCES, attempts=attempts)
        order_of_starts.append(started(order))  # the session is killed here
    assert order_of_starts == ["killer", "killer", "killer", "b", "b", "b"]
    for _ in range(2):
        attempts = Attempts(tmp_path / "attempts.json")
        attempts.begin("killer", 1.0)
    attempts = Attempts(tmp_path / "attempts.json")
    order = job_queue(commits, Suggesting("killer", "c"), committed=REFERENCES, attempts=attempts)
    assert started(order) == "c"
    assert [(committed.trial_id, committed.status) for committed in commits] == [("killer", "failed")]
    assert "begun 5 times without result" in (commits[0].error or "")


def test_running_trials_end_with_the_time_and_references_do_not() -> None:
    assert job_queue([], committed=REFERENCES, trials=0).check_hours()
    assert not job_queue([], committed=REFERENCES, trials=1).check_hours()
    assert not job_queue([], committed=REFERENCES[:1], trials=0).check_hours()


def test_the_points_of_a_training_are_committed_and_told_together() -> None:
    commits: list[tuple[TrialRecord, ...]] = []
    search = Suggesting("a", "b")
    points = [
        replace(record(name), training_id="a", status=status)
        for name, status in (("a", "completed"), ("a.2", "unjudged"), ("a.3", "unjudged"))
    ]
    trial_log = TrialLog(
        WeightedObjective(), REFERENCES, lambda *points: commits.append(points), cast(Any, Silent())
    )

    def judge_again() -> list[TrialRecord]:
        waiting = trial_log.unjudged
        return [trial_log.complete(replace(each, status="completed"), lambda done: None) for each in waiting]

    queue = JobQueue(
        (),
        cast(Any, search),
        trial_log,
        NO_STOPPING,
        cast(Any, FixedLimits(2, ())),
        judge_again=judge_again,
    )
    assert started(queue) == "a"
    queue.finish(*points)
    assert [[point.trial_id for point in each] for each in commits] == [["a", "a.2", "a.3"]]
    assert [point.objective is not None for point in commits[0]] == [True, False, False]
    assert started(queue) == "b"  # one unjudged training is not several in a row
    queue.finish(record("b"))
    assert [[point.trial_id for point in each] for each in search.points] == [
        ["a", "a.2", "a.3"],
        ["b"],
        ["a", "a.2", "a.3"],
    ]
    assert all(point.status == "completed" for point in search.points[-1])
    assert queue.next_job() == NoJob.EXHAUSTED  # of two trials


def test_all_points_of_committed_trainings_are_one_trial_of_the_budget() -> None:
    points = [replace(record(name), training_id="a") for name in ("a", "a.2", "a.3")]
    queue = job_queue([], Suggesting("b", "c"), committed=[*REFERENCES, *points], trials=2)
    assert started(queue) == "b"
    assert queue.next_job() == NoJob.BLOCKED


def test_a_merge_with_chosen_shares_gets_the_rule_of_the_objective() -> None:
    config: dict[str, Any] = {"merge": {"name": "linear", "share": "auto"}}

    class Search(Suggesting):
        def ask(self) -> Job | None:
            return replace(found, config=config) if (found := super().ask()) else None

    floor = FloorObjective(name="floor", floor=0.9)
    trial_log = TrialLog(floor, REFERENCES, print, cast(Any, Silent()))
    limits = cast(Any, FixedLimits(2, ()))
    queue = JobQueue((), cast(Any, Search("a", "b")), trial_log, NO_STOPPING, limits)
    first = queue.next_job()
    assert isinstance(first, Job)
    assert isinstance(first.choose_share, FloorBisection)
    config["merge"]["share"] = [1.0, 0.5]
    second = queue.next_job()
    assert isinstance(second, Job)
    assert second.choose_share is None


def test_points_of_the_search_may_end_early_and_no_others() -> None:
    config = SearchConfig(measure="sequential")
    repeat = job("repeat")
    references = tuple(replace(one, objectives=(0.5,), objective=0.5) for one in REFERENCES)
    queue = job_queue([], Suggesting("a"), committed=references, trials=1, rounds=[[repeat]], config=config)
    first = queue.next_job()
    assert isinstance(first, Job)
    assert isinstance(first.end_measuring, MeasuringEnd)
    assert first.end_measuring.comparisons[0].reason == "objective below that of vanilla"
    queue.finish(record("a"))
    found = queue.next_job()
    assert isinstance(found, Job)
    assert (found.role, found.end_measuring) == ("repeat", None)
    whole = job_queue([], Suggesting("a"), committed=references).next_job()
    assert isinstance(whole, Job)
    assert whole.end_measuring is None
    starting = job_queue([], references=[job("seed")], config=config).next_job()
    assert isinstance(starting, Job)
    assert starting.end_measuring is None


def test_a_partial_trial_is_reported_with_its_estimate() -> None:
    class Search(Suggesting):
        estimates: list[object]

        def tell(
            self,
            record: TrialRecord,
            estimated: object = (),
            further: Sequence[TrialRecord] = (),
        ) -> None:
            self.estimates.append(estimated)

    search = Search("a")
    search.estimates = []
    commits: list[TrialRecord] = []
    queue = job_queue(commits, search, committed=REFERENCES)
    queue.next_job()
    queue.finish(replace(record("a"), status="partial"))
    (estimate,) = search.estimates
    assert isinstance(estimate, ObjectiveValues)
    assert (commits[0].status, commits[0].objective) == ("partial", None)
