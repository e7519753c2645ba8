"""Finished trials are scored against the references, committed, then announced."""

from dataclasses import replace
from typing import Any

import pytest

from lookahead_ray.config.objective import WeightedObjective
from lookahead_ray.objective.base import ReferenceTrials
from lookahead_ray.objective.registry import make_objective
from lookahead_ray.sweep.trial_log import TrialLog
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.record import TextStripper, TrialRecord
from tests.factory import make_failed, make_record

HALF = WeightedObjective()
SCORE = make_objective(HALF).score


def unscored(seed: int, **other: Any) -> TrialRecord:
    """Return a record without texts, so that it is kept as it is."""
    return TextStripper().strip_texts(replace(make_record(seed, **other), objective=None, objectives=()))


SEED = replace(unscored(1, role="seed"), trial_id="seed")
VANILLA = replace(unscored(2, role="vanilla"), trial_id="vanilla")


class Watched:
    """Return a trial log, and the events in order."""

    def __init__(self, *committed: TrialRecord) -> None:
        self.events: list[tuple[str, TrialRecord]] = []
        self.trial_log = TrialLog(HALF, committed, self.commit, self)

    def commit(self, record: TrialRecord) -> None:
        self.events.append(("commit", record))

    def trial_finished(self, record: TrialRecord) -> None:
        self.events.append(("told", record))

    def sweep_started(self, *arguments: Any) -> None: ...
    def trial_started(self, *arguments: Any) -> None: ...
    def trial_restarted(self, *arguments: Any) -> None: ...
    def trial_set_aside(self, *arguments: Any) -> None: ...
    def trial_progress(self, *arguments: Any) -> None: ...
    def budget(self, text: str) -> None: ...
    def sweep_finished(self, interrupted: bool) -> None: ...


def test_a_trial_is_scored_then_committed_then_announced() -> None:
    watched = Watched(SEED, VANILLA)
    record = unscored(3)
    scored = watched.trial_log.finish(record)
    assert scored.objective == SCORE(record, ReferenceTrials(SEED, VANILLA)).objective
    assert scored.objective is not None
    assert scored.objectives == (scored.objective,)
    assert replace(scored, objective=None, objectives=()) == record
    assert watched.events == [("commit", scored), ("told", scored)]
    assert watched.trial_log.records == [SEED, VANILLA, scored]


def test_references_are_scored_as_they_come() -> None:
    watched = Watched()
    assert watched.trial_log.references is None
    seed = watched.trial_log.finish(SEED)
    assert seed.objective == pytest.approx(0.5)  # all of its safety, none of the gain
    assert watched.trial_log.references is None
    vanilla = watched.trial_log.finish(VANILLA)
    assert vanilla.objective == pytest.approx(SCORE(VANILLA, ReferenceTrials(SEED, VANILLA)).objective)
    assert watched.trial_log.references == ReferenceTrials(seed, vanilla)


def test_the_seeds_objective_does_not_change_when_vanilla_is_there() -> None:
    alone = Watched().trial_log.finish(SEED)
    assert alone.objective == pytest.approx(SCORE(SEED, ReferenceTrials(SEED, VANILLA)).objective)


@pytest.mark.parametrize("committed", [(), (SEED,), (VANILLA,)])
def test_without_both_references_there_is_no_objective(committed: tuple[TrialRecord, ...]) -> None:
    assert Watched(*committed).trial_log.finish(unscored(3)).objective is None


def test_a_failed_trial_is_committed_without_an_objective() -> None:
    watched = Watched(SEED, VANILLA)
    failed = watched.trial_log.finish(make_failed(4, "rank 1: died"))
    assert (failed.objective, failed.error) == (None, "rank 1: died")
    assert watched.events[0] == ("commit", failed)


def test_a_failed_reference_does_not_count_until_it_is_repeated() -> None:
    failed = replace(make_failed(5, "boom"), role="vanilla", trial_id="vanilla")
    watched = Watched(SEED, failed)
    assert watched.trial_log.references is None
    assert watched.trial_log.reference_error() == "vanilla: boom"
    watched.trial_log.finish(replace(VANILLA, trial_id="vanilla-2"))
    assert watched.trial_log.references is not None
    assert watched.trial_log.references.vanilla.trial_id == "vanilla-2"


def test_a_commit_that_fails_is_not_announced() -> None:
    watched = Watched(SEED, VANILLA)

    def broken(record: TrialRecord) -> None:
        raise OSError("disk full")

    trial_log = TrialLog(HALF, [SEED, VANILLA], broken, watched)
    with pytest.raises(OSError, match="disk full"):
        trial_log.finish(unscored(3))
    assert watched.events == []
    assert len(trial_log.records) == 2


def test_without_any_reference_the_reason_is_said() -> None:
    assert Watched().trial_log.reference_error() == "a reference was not run"


def test_all_is_committed_and_only_verdicts_are_kept() -> None:
    watched = Watched(SEED, VANILLA)
    record = make_record(3)
    kept = watched.trial_log.finish(record)
    (_, committed), (_, told) = watched.events
    assert (committed.generations, committed.steps, committed.token_kl) == (
        record.generations,
        record.steps,
        record.token_kl,
    )
    assert kept == told == watched.trial_log.records[-1] == TextStripper().strip_texts(committed)


def test_references_of_another_sweep_replace_pending_ones() -> None:
    old = [replace(record, sweep_id="old", objective=0.9, objectives=(0.9,)) for record in (SEED, VANILLA)]
    jobs = [Job("seed", "seed", {}, {}, "seed"), Job("vanilla-2", "vanilla", {}, {}, "vanilla")]
    watched = Watched()
    watched.trial_log.take_over(old, jobs, "new")
    assert [(r.sweep_id, r.trial_id) for r in watched.trial_log.records] == [
        ("new", "seed"),
        ("new", "vanilla-2"),
    ]
    scored = Watched()
    expected = [scored.trial_log.finish(record).objective for record in (SEED, VANILLA)]
    assert [record.objective for record in watched.trial_log.records] == expected
    watched.trial_log.take_over(old, [], "new")
    assert len(watched.trial_log.records) == 2


def test_vanilla_of_another_sweep_brings_the_points_of_its_training() -> None:
    further = replace(unscored(3), trial_id="vanilla.3", training_id="vanilla", objective=0.9)
    jobs = [Job("seed", "seed", {}, {}, "seed"), Job("vanilla-2", "vanilla", {}, {}, "vanilla")]
    watched = Watched()
    commits: list[tuple[TrialRecord, ...]] = []
    watched.trial_log._commit = lambda *points: commits.append(points)
    watched.trial_log.take_over([SEED, VANILLA, further], jobs, "new")
    (seed,), (vanilla, point) = commits
    assert (point.trial_id, point.training_id, point.role) == ("vanilla-2.2", "vanilla-2", "search")
    assert point.objective == SCORE(further, ReferenceTrials(seed, vanilla)).objective
