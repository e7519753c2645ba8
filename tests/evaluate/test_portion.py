"""Portions of the prompts: an order that is the same for all, plain and attacked."""

from itertools import pairwise

import pytest

from lookahead_ray.evaluate.portion import ALL, Portion, PromptPlace, split_at

PLACES = [
    PromptPlace(suite, attack, f"harmful-{index:03d}")
    for suite, count in (("probe", 40), ("small", 3))
    for attack in ("none", "prefill_3")
    for index in range(count)
]


def take(portion: Portion, places: list[PromptPlace] = PLACES) -> list[PromptPlace]:
    return portion.of(places, lambda place: place)


def test_the_portions_are_all_prompts_each_once_and_in_their_order() -> None:
    parts = list(map(take, split_at((0.25, 0.5))))
    assert sorted(place for part in parts for place in part) == sorted(PLACES)
    assert all(part == sorted(part, key=PLACES.index) for part in parts)
    assert take(ALL) == PLACES
    assert split_at(()) == [ALL]


def test_each_suite_and_attack_has_its_share_and_the_same_requests() -> None:
    first = take(Portion(0, 0.25))
    plain, attacked = ({p.prompt_id for p in first if p[:2] == ("probe", a)} for a in ("none", "prefill_3"))
    assert plain == attacked
    assert len(plain) == 10
    assert len([place for place in first if place.suite == "small"]) == 2  # at least one, plain and attacked


def test_the_order_of_the_file_does_not_matter_and_says_nothing() -> None:
    backwards = take(Portion(0, 0.5), PLACES[::-1])
    assert set(backwards) == set(take(Portion(0, 0.5)))
    chosen = [int(place.prompt_id[-3:]) for place in take(Portion(0, 0.5)) if place[:2] == ("probe", "none")]
    assert max(b - a for a, b in pairwise(chosen)) > 1
    assert sum(chosen) / len(chosen) == pytest.approx(19.5, abs=6)


def test_a_portion_reports_its_part_of_the_whole() -> None:
    told: list[tuple[str, float, float]] = []
    for portion in split_at((0.25, 0.5)):
        size = 100 * (portion.end - portion.start)
        report = portion.report(lambda *line: told.append(line))
        report("begins", 0, size)
        report("ends", size, size)
    assert [done for _, done, _ in told] == [0, 25, 25, 50, 50, 100]
    assert {total for *_, total in told} == {100}
