"""The whole HTML file, without a browser."""

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from analysis.report import advice, write_report
from analysis.report.page import digest, run_parts
from analysis.report.source import open_source
from lookahead_ray import store
from lookahead_ray.errors import LookaheadRayError
from lookahead_ray.trial.record import TrialRecord
from tests.analysis.report.runs import IDENTITY, hostile, sweep, write_run
from tests.analysis.runs import as_version_2, without
from tests.factory import make_failed

ROOT = Path(__file__).parents[3]


def report(run: str, tmp_path: Path) -> str:
    write_report([run], tmp_path / "report.html")
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def no_jsr(record: TrialRecord) -> TrialRecord:
    return replace(without(record, "jsr"), safety=None, objective=None, objectives=())


def no_answers(record: TrialRecord) -> TrialRecord:
    return record.with_measured(generations=(), token_kl=()) if record.measurement else record


def nan_utility(record: TrialRecord) -> TrialRecord:
    utility = record.utility and replace(record.utility, value=float("nan"))
    return replace(record, utility=utility, objective=float("nan"))


WORKS: dict[str, tuple[Callable[[], list[TrialRecord]], str]] = {
    "nothing yet": (list, "No trial is committed yet."),
    "one trial": (lambda: sweep()[2:3], "No true preview|Fewer than two lengths"),
    "failed alone": (
        lambda: [make_failed(1), make_failed(2)],
        "2 of 2 trials failed, were stopped or are unjudged.",
    ),
    "no JSR": (lambda: [no_jsr(record) for record in sweep(3)], "JSR was not measured."),
    "NaN utility": (
        lambda: [nan_utility(record) for record in sweep(3)],
        "has both utility and counted FLOPs",
    ),
    "no utility": (
        lambda: [replace(r, utility=None) for r in sweep(3)],
        "has both utility and counted FLOPs",
    ),
    "no answers": (
        lambda: [no_answers(record) for record in sweep(3)],
        "No answer was generated",
    ),
}


@pytest.mark.parametrize(("records", "told"), WORKS.values(), ids=WORKS)
def test_works_on(records: Callable[[], list[TrialRecord]], told: str, tmp_path: Path) -> None:
    assert re.search(told, unescape(report(write_run(tmp_path / "run", records()), tmp_path)))


def test_two_schema_versions(tmp_path: Path) -> None:
    new = run_parts(write_run(tmp_path / "new", sweep(3)), "r1")
    run = write_run(tmp_path / "run", sweep(3))
    as_version_2(run, ["trial-1"])
    assert open_source(run).earlier_versions == {2: 1}
    text = report(run, tmp_path)
    assert "1 trial was written in schema version 2" in text
    assert "trial-1<" in text
    run = write_run(tmp_path / "old", sweep(3))
    as_version_2(run)
    assert open_source(run).earlier_versions == {2: 6}
    old = run_parts(run, "r1")
    assert old["summary"].sentence == new["summary"].sentence
    tables = [{one.name: one.grids for one in parts["before"]}["table-1"] for parts in (old, new)]
    assert [[cell.text for cell in row] for row in tables[0][0].rows] == [
        [cell.text for cell in row] for row in tables[1][0].rows
    ]


@pytest.mark.parametrize("same_length", [False, True], ids=["cut short", "damaged"])
def test_a_damaged_table_is_named(same_length: bool, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", sweep(3))
    path = Path(run) / "tables" / "trials" / "trial-1.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:-200] + b"\0" * 200 if same_length else content[:-200])
    with pytest.raises(LookaheadRayError, match=r"tables/trials/trial-1\.parquet"):
        write_report([run], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_a_running_sweep_is_noted(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", sweep(3))
    (Path(run) / "lock").touch()
    assert "still running" not in report(run, tmp_path)
    with store.lock(run):
        assert "The sweep is still running" in report(run, tmp_path)


def test_several_runs_and_the_policy(tmp_path: Path) -> None:
    first = write_run(tmp_path / "a", sweep(3))
    second = write_run(tmp_path / "b", sweep(2), replace(IDENTITY, name="other"))
    write_report([first, second], tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    ids = re.findall(r' id="([^"]+)"', text[: text.index("<script>")])
    assert len(ids) == len(set(ids))
    assert {"r1-tradeoff", "r2-tradeoff", "r2-answers"} <= set(ids)
    assert set(re.findall(r'href="#([^"]+)"', text)) <= set(ids)
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    policy = unescape(re.findall(r'Content-Security-Policy" content="([^"]+)"', text)[0])
    assert re.findall("'sha256-([^']+)'", policy) == [digest(script) for script in scripts]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")


def test_hostile_texts_stay_data(tmp_path: Path) -> None:
    records = sweep(3)
    records[2] = hostile(records[2])
    records.append(make_failed(7, error="<script>alert(1)</script>\u202e" + "e" * 10_000))
    text = report(write_run(tmp_path / "run", records), tmp_path)
    assert text.count("<script>") == 2
    assert "<img" not in text[: text.index("<script>")]
    assert "\u202e" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;⟨U+202E⟩" in text
    assert "characters cut" in text


def test_a_recommendation_over_other_prompts_is_refused_in_words(tmp_path: Path) -> None:
    records = sweep(3)
    records[1] = records[1].with_measured(generations=records[1].generations[1:])
    parts = run_parts(write_run(tmp_path / "run", records), "r1")
    assert "must have the same prompts" in parts["summary"].sentence


@pytest.mark.slow
def test_neither_torch_nor_ray_is_imported() -> None:
    code = "import sys, analysis.report; print(sorted({'torch', 'ray', 'transformers'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


@pytest.mark.parametrize("limit", ["MOST_TRIALS", "MOST_ROWS"])
def test_omissions_of_the_recommendation_are_noted(
    limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = sweep(6)
    answers = sum(len(record.generations) for record in records[:4])
    monkeypatch.setattr(advice, limit, {"MOST_TRIALS": 4, "MOST_ROWS": answers}[limit])
    text = report(write_run(tmp_path / "run", records), tmp_path)
    assert "Only the 4 best of 8 completed trials" in text


def test_general_abilities_and_long_rows_show(tmp_path: Path) -> None:
    def score(value: float) -> dict[str, dict[str, float]]:
        return {
            "parity/acc": {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 40.0},
            "<all>/acc": {"value": value / 2},
        }

    records = [
        record.with_measured(
            harness=score(0.5 if record.role == "vanilla" else 0.25),
            preparation={"training_examples": 8.0, "cut_rows": 3.0} if record.role != "seed" else {},
        )
        if record.measurement
        else record
        for record in sweep(3)
    ]
    text = report(write_run(tmp_path / "run", records), tmp_path)
    shown = " ".join(re.sub(r"<[^>]+>", " ", text).split())
    assert "parity/acc Δ vanilla &lt;all&gt;/acc Δ vanilla" in shown
    assert "0.500 [0.400, 0.600] n 40 – 0.250 –" in shown
    assert "0.250 [0.150, 0.350] n 40 −0.250 0.125 −0.125" in shown
    assert "3 of 8 training rows lost the end of their answer" in shown
    plain = report(write_run(tmp_path / "plain", sweep(3)), tmp_path)
    assert "No trial was measured with lm-eval" in plain
    assert "lost the end of their answer" not in plain
