"""The cost model of a sweep."""

from dataclasses import fields, replace
from pathlib import Path

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


def test_the_page_names_every_input_and_whether_it_is_measured() -> None:
    assert all(name.replace("_", " ") in page(ASSUMED) for name in vars(ASSUMED))
    words = ("measured", "counted", "published", "assumed", "paper")
    assert all(any(word in each.metadata["source"] for word in words) for each in fields(ASSUMED))


def test_training_pays_for_padding_and_evaluation_does_not() -> None:
    padded = replace(ASSUMED, paid_per_real=2 * ASSUMED.paid_per_real)
    assert padded.training_seconds == pytest.approx(2 * ASSUMED.training_seconds)
    assert padded.evaluation_seconds == ASSUMED.evaluation_seconds
    assert padded.hours(4) > ASSUMED.hours(4)


def test_the_written_page_is_the_current_one() -> None:
    written = Path("docs/scaling.md").read_text(encoding="utf-8")
    assert written.rstrip() == page(Assumptions())
