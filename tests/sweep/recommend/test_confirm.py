"""Repeated configurations: whole confirmations, simulated."""

from collections.abc import Callable
from dataclasses import replace

from lookahead_ray.config.objective import FloorObjective, Objective, ParetoObjective
from lookahead_ray.config.search import ConfirmConfig
from lookahead_ray.sweep.recommend.confirm import Repeat, next_repeats
from lookahead_ray.trial.record import TrialRecord
from tests.sweep.recommend.truths import HALF, VANILLA, Sweep, Truth

GOOD: Truth = (0.8, 0.6, 0.38)
BAD: Truth = (0.35, 0.1, 0.1)
Outcome = Callable[[Repeat, Sweep], TrialRecord]


class Play:
    """A search that has ended, and the repeats of `next_repeats`, round by round."""

    def __init__(self, *candidates: Truth, objective: Objective = HALF, **config: int) -> None:
        self.made = Sweep(1)
        self.made.add("seed", (0.95, 0.75, 0.05), "seed")
        self.made.add("vanilla", VANILLA, "vanilla", 99)
        self.truths = {99: VANILLA, **{i + 1: truth for i, truth in enumerate(candidates)}}
        for i, truth in enumerate(candidates):
            self.made.add(f"c{i}", truth, length=i + 1)
        self.objective = objective
        self.config = ConfirmConfig(**config)
        self.failing: set[tuple[str, int]] = set()

    @property
    def records(self) -> list[TrialRecord]:
        return self.made.trials

    def asked(self) -> list[tuple[str, int]]:
        """Return the labels of the trials whose next random seed is requested."""
        return [(repeat.of, repeat.config["seed"]) for repeat in self.next()]

    def next(self) -> tuple[Repeat, ...]:
        return next_repeats(self.records, self.objective, self.config)

    def run(self, *repeats: Repeat) -> None:
        for repeat in repeats:
            length, seed = repeat.config["preview"]["length_tokens"], repeat.config["seed"]
            name = f"repeat-{len(self.records)}"
            done = self.made.add(name, self.truths[length], "repeat", length, seed)
            assert done.config == repeat.config
            if (repeat.of, seed) in self.failing:
                self.records[-1] = replace(done, status="failed", rsr=None, measurement=None)

    def rounds(self) -> list[list[tuple[str, int]]]:
        """Run all rounds to the end."""
        played = []
        while repeats := self.next():
            played.append([(repeat.of, repeat.config["seed"]) for repeat in repeats])
            self.run(*repeats)
            assert len(played) < 20
        return played


def test_each_round_keeps_the_better_half_and_vanilla() -> None:
    play = Play(GOOD, GOOD, GOOD, GOOD, BAD, candidates=4, seeds=3)
    first, second, third = play.rounds()
    assert {name for name, _ in first} == {"c0", "c1", "c2", "c3", "vanilla"}
    assert [len(each) for each in (first, second, third)] == [5, 3, 2]
    assert [{seed for _, seed in each} for each in (first, second, third)] == [{1}, {2}, {3}]
    for earlier, later in ((first, second), (second, third)):
        assert {name for name, _ in later} <= {name for name, _ in earlier}
        assert later[0][0] == "vanilla"
    assert play.asked() == []


def test_a_clear_winner_is_confirmed_alone() -> None:
    assert Play((0.95, 0.75, 0.5), BAD, BAD, candidates=3, seeds=2).rounds() == [
        [("vanilla", 1), ("c0", 1)],
        [("vanilla", 2), ("c0", 2)],
    ]


def test_it_resumes_after_any_interruption() -> None:
    whole = Play(GOOD, GOOD, GOOD, BAD, candidates=3, seeds=2)
    planned = [one for each in whole.rounds() for one in each]
    halting = Play(GOOD, GOOD, GOOD, BAD, candidates=3, seeds=2)
    one_by_one = []
    while repeats := halting.next():
        one_by_one.append((repeats[0].of, repeats[0].config["seed"]))
        halting.run(repeats[0])
    assert one_by_one == planned


def test_a_repeat_that_failed_is_tried_once_more_and_then_dropped() -> None:
    play = Play(GOOD, GOOD, candidates=2, seeds=2)
    play.failing = {("c0", 1)}
    first, again, *rest = play.rounds()
    assert ("c0", 1) in first
    assert again == [("c0", 1)]
    assert rest == [[("vanilla", 2), ("c1", 2)]]


def test_a_seed_on_which_vanilla_fails_is_left_out() -> None:
    play = Play(GOOD, candidates=1, seeds=2)
    play.failing = {("vanilla", 1)}
    assert play.rounds() == [[("vanilla", 1), ("c0", 1)], [("vanilla", 1)], [("vanilla", 2), ("c0", 2)]]


def test_no_candidate_is_left_when_all_fail() -> None:
    play = Play(GOOD, candidates=1, seeds=2)
    play.failing = {("c0", 1)}
    assert play.rounds() == [[("vanilla", 1), ("c0", 1)], [("c0", 1)]]


def test_later_seeds_do_not_change_earlier_participants() -> None:
    play = Play(GOOD, GOOD, GOOD, GOOD, candidates=4, seeds=3)
    play.rounds()
    kept = [record for record in play.records if record.config["seed"] < 2]
    again = next_repeats(kept, play.objective, play.config)
    ran = {r.config["preview"]["length_tokens"] for r in play.records if r.config["seed"] == 2}
    assert {repeat.config["preview"]["length_tokens"] for repeat in again} == ran


def test_without_references_or_trials_nothing_is_run() -> None:
    play = Play()
    assert play.next() == ()
    assert next_repeats([], HALF, play.config) == ()
    assert next_repeats(Play(GOOD).records[2:], HALF, play.config) == ()


def test_more_trials_later_are_confirmed_too() -> None:
    play = Play(GOOD, candidates=2, seeds=1)
    play.rounds()
    play.truths[7] = (0.95, 0.75, 0.5)
    play.made.add("late", play.truths[7], length=7)
    assert play.rounds() == [[("late", 1)]]


def test_under_a_floor_those_that_may_keep_it_are_confirmed() -> None:
    objective = FloorObjective(name="floor", floor=0.7)
    play = Play((0.8, 0.6, 0.2), (0.1, 0.1, 0.9), (0.8, 0.6, 0.4), objective=objective, candidates=2, seeds=1)
    (names,) = [[name for name, _ in each] for each in play.rounds()]
    assert "c1" not in names
    assert "c2" in names


def test_the_pareto_front_is_confirmed() -> None:
    objective = ParetoObjective(name="pareto")
    truths: tuple[Truth, ...] = ((0.9, 0.75, 0.1), (0.2, 0.2, 0.1), (0.5, 0.4, 0.6))
    play = Play(*truths, objective=objective, candidates=3, seeds=1)
    (names,) = [[name for name, _ in each] for each in play.rounds()]
    assert {"c0", "c2"} <= set(names)
    assert "c1" not in names


def test_shares_of_one_training_are_repeated_by_one_training() -> None:
    play = Play(GOOD, GOOD, GOOD, candidates=3, seeds=1)
    for index, share in ((3, 0.75), (4, 0.5)):  # points of c0's training
        known = play.records[index]
        config = {**play.records[2].config, "merge": {"name": "linear", "share": share}}
        play.records[index] = replace(known, config=config, training_id="c0")
    repeats = {repeat.of: repeat for repeat in play.next()}
    assert len(repeats) == 2
    (joined,) = (repeat for repeat in repeats.values() if repeat.of != "vanilla")
    assert sorted(joined.config["merge"]["share"]) == [0.5, 0.75, 1.0]
    assert joined.config["seed"] == 1
    failed = replace(play.records[-1], role="repeat", status="failed", config=joined.config, rsr=None)
    for _ in range(2):
        play.made.trials.append(replace(failed, trial_id=f"repeat-{len(play.records)}"))
    assert [repeat.of for repeat in play.next()] == ["vanilla"]
