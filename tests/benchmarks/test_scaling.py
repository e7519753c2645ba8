"""The cost model of a sweep."""

import pytest

from benchmarks.scaling import Assumptions, page

ASSUMED = Assumptions(trials=32)


def test_one_round_is_one_trial_long() -> None:
    seconds = 3600 * ASSUMED.hours(16)
    assert seconds == pytest.approx(
        ASSUMED.scale_up_seconds + ASSUMED.first_seconds + 2 * ASSUMED.trial_seconds
    )


def test_more_nodes_are_faster_and_never_busier_than_they_can_be() -> None:
    hours = [ASSUMED.hours(nodes) for nodes in (1, 4, 16)]
    assert hours == sorted(hours, reverse=True)
    assert all(0 < ASSUMED.busy(nodes) <= 1 for nodes in (1, 4, 16))


def test_the_page_names_every_assumption() -> None:
    assert all(name.replace("_", " ") in page(ASSUMED) for name in vars(ASSUMED))
