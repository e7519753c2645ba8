import io
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from lookahead_ray.objective.floor import SafetyFloor
from lookahead_ray.objective.pareto import ParetoFront
from lookahead_ray.objective.search_objective import ReportColumns
from lookahead_ray.presentation.terminal import (
    config_yaml,
    print_places,
    print_recommendation,
    print_trials,
)
from lookahead_ray.stats.interval import Interval
from lookahead_ray.sweep.recommend.recommendation import Recommendation
from lookahead_ray.trial.record import TrialRecord
from tests.presentation.records import HOSTILE, rate, recommendation, record, sweep, true, virtual


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
    told = " ".join(text.split())
    assert "Indistinguishable from it in the objective (the table has their other rates): true" in told
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
    made = record("a", preview=true(6))
    assert yaml.safe_load(config_yaml(made))["preview"]["strategy"] == "true"
    merge = {"name": "linear", "share": 0.5}
    merged = replace(made, config={**made.config, "merge": merge})
    assert yaml.safe_load(config_yaml(merged))["merge"] == merge


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


def with_columns(columns: ReportColumns) -> Recommendation:
    about = recommendation()
    compared = tuple(replace(one, safety=Interval(0.05, -0.01, 0.11)) for one in about.comparisons)
    return replace(about, columns=columns, comparisons=compared)


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize(
    ("columns", "head", "meaning", "scalar"),
    [
        (
            SafetyFloor.columns,
            "safety over",
            "safety over the floor, and the difference to vanilla in the share kept",
            True,
        ),
        (
            ParetoFront.columns,
            "safety kept:",
            "differences to vanilla in the shares kept of the seed model's safety",
            False,
        ),
    ],
    ids=["floor", "pareto"],
)
def test_an_objective_can_have_its_own_columns(
    width: int, columns: ReportColumns, head: str, meaning: str, scalar: bool
) -> None:
    records = [replace(each, objective=each.objective if scalar else None) for each in sweep()]
    text = trials(width, records, with_columns(columns))
    assert max(map(len, text.splitlines())) <= width
    for part in (head, "gain kept:", "+0.05 [−0.01, +0.11]", "+0.24 [+0.16, +0.32]"):
        assert part in text
    assert meaning in " ".join(text.split())


def test_the_front_is_named() -> None:
    out = io.StringIO()
    about = replace(recommendation(), front=("t5", "t4"))
    print_recommendation(Console(file=out, width=110), sweep(), about)
    assert "On the Pareto front: virtual, “Let's solve it.”; true, 12 tokens\n" in out.getvalue()


def test_repeats_are_one_row_with_their_trial() -> None:
    first = record("a", preview=true(6))
    again = replace(record("b", "repeat", preview=true(6)), config={**first.config, "seed": 1})
    text = trials(110, [record("v", "vanilla"), first, again], None)
    assert text.count("true, 6 tokens") == 1
    assert "true, 6 tokens (2 seeds)" in text
    assert "k seeds: means over trainings with k random seeds" in text
    assert "k seeds" not in trials(110, [first], None)


def test_the_recommendation_is_written_to_a_file() -> None:
    out = io.StringIO()
    path = Path("runs/a/recommended.yaml")
    print_places(Console(file=out, width=80), "runs/a", None, None, "", path)
    assert out.getvalue().splitlines()[2:4] == [
        "config   runs/a/recommended.yaml",
        "train    lookahead-ray train runs/a/recommended.yaml --output runs/a/recommended",
    ]
