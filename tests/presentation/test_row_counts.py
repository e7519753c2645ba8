"""Rows that were too long are counted below the table."""

import io

from rich.console import Console

from lookahead_ray.presentation.row_counts import row_notes
from lookahead_ray.presentation.terminal import print_trials
from lookahead_ray.trial.record import TrialRecord
from tests.presentation.records import record

CUT = "training rows lost the end of their answer"


def trained(trial_id: str, **counts: float) -> TrialRecord:
    made = record(trial_id)
    return made.with_measured(preparation={"training_examples": 40.0, "safety_examples": 0.0, **counts})


def test_cut_and_skipped_rows_stand_below_the_table() -> None:
    out = io.StringIO()
    records = [trained("a", cut_rows=3), trained("b", cut_rows=9), trained("c"), record("seed", role="seed")]
    print_trials(Console(file=out, width=200), records, None)
    assert f"3 to 9 of 40 {CUT} in 2 of 3 trainings, as they exceed training.max_length." in out.getvalue()
    out = io.StringIO()
    print_trials(Console(file=out, width=200), [trained("a")], None)
    assert "training.max_length" not in out.getvalue()


def test_skipped_rows_count_among_all() -> None:
    counts = {"training_examples": 40.0, "skipped_rows": 10.0}
    assert list(row_notes([counts])) == [
        "10 of 50 training rows were left out, as they exceed training.max_length."
    ]
    assert list(row_notes([{**counts, "cut_rows": 1}])) == [
        f"1 of 50 {CUT}, as they exceed training.max_length.",
        "10 of 50 training rows were left out, as they exceed training.max_length.",
    ]
    assert list(row_notes([])) == []
