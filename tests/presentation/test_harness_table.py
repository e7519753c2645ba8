"""The printed scores of lm-eval."""

import io

from rich.console import Console

from lookahead_ray.presentation.harness_table import harness_scores, print_harness
from lookahead_ray.trial.record import TrialRecord
from tests.factory import make_record

SCORE = {"value": 0.5, "low": 0.25, "high": 0.75, "n": 16.0}


def printed(*records: TrialRecord) -> str:
    stream = io.StringIO()
    print_harness(Console(file=stream, width=120), records)
    return stream.getvalue()


def test_nothing_is_printed_without_scores() -> None:
    assert printed(make_record(1)) == ""


def test_each_model_has_a_row() -> None:
    seed = make_record(1, role="seed").with_measured(
        harness={"arc/acc": SCORE, "wiki/perplexity": {"value": 21}}
    )
    other = make_record(2).with_measured(harness={"arc/acc": SCORE | {"value": 0.375}})
    lines = printed(other, seed).splitlines()
    assert [word in lines[2] for word in ("acc", "perplexity")] == [True, True]
    assert lines[3].startswith("seed model")
    assert "0.500 [0.250, 0.750]" in lines[3]
    assert "21.000" in lines[3]
    assert "0.375 [0.250, 0.750]" in lines[4]
    assert lines[4].rstrip().endswith("–")


def test_many_scores_are_counted() -> None:
    many = make_record(1).with_measured(harness={f"task{index}/acc": SCORE for index in range(6)})
    assert "2 more in the column harness" in printed(many)
    assert len(harness_scores(many)) == 6
