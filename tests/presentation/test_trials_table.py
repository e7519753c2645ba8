"""The order of the trials in tables."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from lookahead_ray.presentation.trials_table import print_table, rate_text, rates_table, sort_trials
from tests.presentation.records import rate, sweep


def test_references_come_first_then_configurations_by_objective() -> None:
    ids = [one.record.trial_id for one in sort_trials(reversed(sweep()))]
    assert ids == ["t0", "t1", "t5", "t3", "t4", "t6", "t2", "t7"]


@pytest.mark.parametrize("width", [40, 60])
def test_a_narrow_terminal_gets_all_names_and_figures(width: int) -> None:
    trials = [replace(one, rsr=rate(0.63, unparsed=12)) for one in sweep() if one.rsr]
    shown = sort_trials(trials)
    console = Console(file=StringIO(), width=width, record=True)
    print_table(console, rates_table(shown, [], lambda record: [], None))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= width
    for name in ("trial", "vanilla"):
        assert sum(line.startswith(name) for line in lines) > 1  # a part of the table has some of the columns
    for one in trials:
        figures = map(rate_text, (one.rsr, one.jsr, one.over_refusal, one.utility))
        assert all(any(text in line for line in lines) for text in figures)


def test_a_wide_terminal_gets_one_table() -> None:
    console = Console(file=StringIO(), width=100, record=True)
    print_table(console, rates_table(sort_trials(sweep()), [], lambda record: [], None))
    assert sum(line.startswith("trial") for line in console.export_text().splitlines()) == 1
