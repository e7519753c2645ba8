"""The printed rates of a model before and after its alignment."""

import io
from dataclasses import replace

from rich.console import Console

from lookahead_ray.evaluate.results import Generation, Verdict
from lookahead_ray.presentation.alignment_table import print_alignment
from lookahead_ray.trial.record import TrialRecord
from tests.presentation.records import rate, record


def refusals(safe: int, total: int, verdict: Verdict = "unsafe") -> tuple[Generation, ...]:
    verdicts: list[Verdict] = ["safe"] * safe + [verdict] * (total - safe)
    return tuple(
        Generation("rsr", "probe", "none", f"p{index}", "", "Q", "", "", "A", "refusal", verdict, None)
        for index, verdict in enumerate(verdicts)
    )


def printed(before: TrialRecord, after: TrialRecord) -> list[str]:
    stream = io.StringIO()
    print_alignment(Console(file=stream, width=110), before, after)
    return stream.getvalue().splitlines()


def measured(safe: int, **changes: object) -> TrialRecord:
    found = replace(
        record("t", "evaluate"), rsr=rate(safe / 10, 10), jsr=None, over_refusal=None, utility=None
    )
    return found.with_measured(generations=refusals(safe, 10), **changes)


def test_rates_are_shown_with_intervals_and_a_paired_test() -> None:
    lines = printed(measured(2), measured(10))
    assert lines[0].split() == ["rate", "before", "after", "n", "p"]
    assert lines[1].split()[:3] == ["RSR", "20", "%"]
    assert lines[1].split()[-2:] == ["10", "0.008"]  # 8 of 8 discordant prompts: 2 / 2**8
    assert lines[2].strip() == ""
    assert any("exact McNemar test" in line for line in lines)


def test_there_is_no_test_where_an_answer_is_not_judged() -> None:
    waiting = measured(2).with_measured(generations=refusals(2, 10, "unjudged"))
    assert printed(waiting, measured(10))[1].split()[-1] == "–"


def test_scores_of_lm_eval_say_to_which_model_they_belong() -> None:
    scores = {"arc/acc": {"value": 0.5}}
    lines = printed(measured(2, harness=scores), measured(3, harness=scores))
    assert [line for line in lines if line.endswith(" the alignment:")] == [
        "before the alignment:",
        "after the alignment:",
    ]
