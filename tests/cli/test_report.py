import io
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from lookahead_ray.cli.report import config_yaml, ordered, print_places, print_recommendation, print_trials
from lookahead_ray.sweep.recommendation import Recommendation
from lookahead_ray.trial.record import TrialRecord
from tests.cli.records import HOSTILE, rate, recommendation, record, sweep, true, virtual


def trials(width: int, records: Sequence[TrialRecord], about: Recommendation | None) -> str:
    out = io.StringIO()
    print_trials(Console(file=out, width=width), records, about)
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 110, 140])
def test_every_figure_stands_on_one_line(width: int) -> None:
    text = trials(width, sweep(), recommendation())
    assert max(map(len, text.splitlines())) <= width
    for figure in ("71 % [64, 78]", "5 % [2, 8]", "0.740", "+0.24 [+0.16, +0.32]", "<0.001", "n=160"):
        assert figure in text
    assert "\x1b" not in text
    assert "true, 3" in text
    assert "ModelError: [red]out of memory[/] in rank 1" in text
    assert "Traceback" not in text
    assert "[bold" in text, "markup in a prefix is text"


def test_references_first_then_by_objective() -> None:
    assert [r.trial_id for r in (one.record for one in ordered(reversed(sweep())))] == [
        "t0",
        "t1",
        "t5",
        "t3",
        "t4",
        "t6",
        "t2",
        "t7",
    ]


def test_unparsed_answers_show() -> None:
    unparsed = replace(record("a"), rsr=rate(0.63, unparsed=3))
    text = trials(120, [unparsed], None)
    assert "63 % 3? [" in text
    assert "answers without a verdict" in text
    assert "answers without a verdict" not in trials(120, [record("a")], None)


def test_different_n_and_missing_metrics() -> None:
    records = [replace(record("a"), jsr=None), replace(record("b"), rsr=rate(0.5, n=80), jsr=None)]
    text = trials(120, records, None)
    assert "n=80–160" in text
    assert "JSR" not in text
    assert "objective" not in text


def test_nan_is_a_dash() -> None:
    text = trials(120, [replace(record("a"), rsr=rate(math.nan), objective=math.nan)], None)
    assert "nan" not in text


def test_recommendation_is_yaml_that_can_be_copied() -> None:
    out = io.StringIO()
    print_recommendation(Console(file=out, width=80), sweep(), recommendation())
    text = out.getvalue()
    assert text.startswith("\nRecommended: ")
    assert recommendation().sentence in text
    assert "Not distinguishable from it by these data: true" in text
    config = yaml.safe_load(text[text.index("preview:") :])
    assert config["preview"]["prefix"] == "Let's solve it. "
    assert set(config) == {"preview", "method", "training"}


def test_no_recommendation() -> None:
    out = io.StringIO()
    nothing = Recommendation(None, "No candidate beats vanilla beyond the noise.", (), ())
    print_recommendation(Console(file=out, width=80), sweep(), nothing)
    assert "No configuration is recommended" in out.getvalue()
    assert "beyond the noise" in out.getvalue()
    assert "preview:" not in out.getvalue()


@pytest.mark.parametrize("prefix", [HOSTILE.replace("\r", ""), "x" * 300, "ü 数学", "true", " : #"])
def test_any_prefix_survives_as_yaml(prefix: str) -> None:
    out = io.StringIO()
    about = Recommendation("a", "", (), ())
    print_recommendation(Console(file=out, width=80), [record("a", preview=virtual(prefix))], about)
    text = out.getvalue()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert yaml.safe_load(text[text.index("preview:") :])["preview"]["prefix"] == prefix


def test_true_stays_a_word() -> None:
    assert yaml.safe_load(config_yaml(record("a", preview=true(6))))["preview"]["strategy"] == "true"


def test_places() -> None:
    out = io.StringIO()
    print_places(Console(file=out, width=80), "runs/a b", Path("runs/a b/tradeoff.png"), 812, "")
    assert out.getvalue().splitlines() == [
        "",
        "tables   runs/a b",
        "picture  runs/a b/tradeoff.png",
        "look     lookahead-ray tables 'runs/a b'",
        "export   lookahead-ray tables 'runs/a b' --format csv",
        "time     13 min 32 s",
    ]
