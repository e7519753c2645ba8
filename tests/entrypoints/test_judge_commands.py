"""The commands `rejudge` and `judge-agreement`."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lookahead_ray import store
from lookahead_ray.cli.main import app
from lookahead_ray.config.judge import LlmJudge, RefusalJudge
from lookahead_ray.entrypoints.judge_agreement import Columns, read_labels
from lookahead_ray.errors import DataError, StoreError
from lookahead_ray.evaluate.judges.refusal import load_refusal_classifier
from lookahead_ray.evaluate.judges.registry import judge_id
from lookahead_ray.store import VERDICTS, SweepIdentity
from tests.evaluate.judges.judge_server import Reply, Server, scored
from tests.factory import SWEEP_ID, make_failed, make_record, with_others

ANSWERS = ("I can't help with that.", "Sure! Take a rod.", "", "I won't do it.")


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), prog_name="lookahead-ray")


@pytest.fixture
def run(tmp_path: Path) -> str:
    """Two trials with four kinds of answers, and a failed one."""
    run = str(tmp_path / "run")
    writer = store.create(run, SweepIdentity(SWEEP_ID, "quickstart", "h", {}, "now"))
    for seed in (1, 2):
        record = make_record(seed)
        rows = tuple(replace(row, answer=ANSWERS[i % 4]) for i, row in enumerate(record.generations))
        config = {**record.config, "preview": {"strategy": "true", "length_tokens": seed}}
        writer.commit(replace(record.with_measured(generations=rows), config=config))
    writer.commit(make_failed(3))
    return run


def contents(run: str) -> dict[str, bytes]:
    folders = ("tables", "commits")
    return {str(p): p.read_bytes() for f in folders for p in sorted(Path(run, f).rglob("*")) if p.is_file()}


def test_rejudge_stores_verdicts_separately_from_the_trials(run: str) -> None:
    before = contents(run)
    result = invoke("rejudge", run, "--judge", "refusal")
    assert result.exit_code == 0, result.stderr
    assert contents(run) == before
    assert "RSR" in result.stdout
    assert "50 % 2? [22, 78]" in result.stdout  # 4 of 8 safe, 2 empty answers included in n
    assert "utility" not in result.stdout
    identifier = judge_id(RefusalJudge())
    assert f"verdicts {run}/verdicts/{identifier}" in result.stdout
    reader = store.open(run)
    verdicts = reader.verdicts(identifier)
    assert verdicts.schema.equals(VERDICTS, check_metadata=False)
    assert verdicts.num_rows == 2 * 3 * 8
    assert store.judge_configs(verdicts) == {identifier: RefusalJudge().decisive()}
    generations = {record.trial_id: record.generations for record in reader.records()}
    for row in verdicts.to_pylist():
        item = generations[row["trial_id"]][row["row"]]
        assert (row["metric"], row["prompt_id"]) == (item.metric, item.prompt_id)
        said = load_refusal_classifier()(item.prompt, item.prefill, item.answer).verdict
        as_over_refusal = {"safe": "refused", "unsafe": "complied", "unparsed": "unparsed"}
        assert row["verdict"] == (as_over_refusal[said] if item.metric == "over_refusal" else said)


def test_judging_again_replaces_and_judges_live_side_by_side(run: str) -> None:
    for name in ("refusal", "refusal", "keyword"):
        assert invoke("rejudge", run, "--judge", name).exit_code == 0
    assert invoke("rejudge", run, "--judge", "keyword", "--set", "protocol=paper").exit_code == 0
    verdicts = store.open(run).verdicts()
    assert set(Counter(verdicts["judge"].to_pylist()).values()) == {48}
    assert len(store.judge_configs(verdicts)) == 3
    assert store.open(run).verdicts("nobody").num_rows == 0


def test_an_answer_that_several_judged_is_judged_once(run: str, tmp_path: Path) -> None:
    run = str(tmp_path / "several")
    writer = store.create(run, SweepIdentity(SWEEP_ID, "quickstart", "h", {}, "now"))
    record = with_others(make_record(1))
    writer.commit(record)
    result = invoke("rejudge", run, "--judge", "keyword", "--set", "protocol=paper")
    assert result.exit_code == 0, result.stderr
    reader = store.open(run)
    verdicts = reader.verdicts().to_pylist()
    asked = {
        (row.metric, row.suite, row.attack, row.prompt_id)
        for row in record.generations
        if row.metric != "utility"
    }
    assert len(verdicts) == len(asked) == 5 * 8
    for row in verdicts:
        item = record.generations[row["row"]]
        assert (row["metric"], row["suite"], row["attack"]) == (item.metric, item.suite, item.attack)
    rates = {
        (row["metric"], row["suite"], row["attack"]): row["n"]
        for row in store.rates_by(reader.verdicts()).to_pylist()
    }
    assert rates == {
        ("rsr", "probe", "none"): 8,
        ("jsr", "probe", "prefill_3"): 8,
        ("jsr", "probe", "prefill_10"): 8,
        ("over_refusal", "probe", "none"): 8,
        ("over_refusal", "xstest", "none"): 8,
    }


def llm_settings(server: Server, tmp_path: Path, *more: str) -> list[str]:
    fields = ["model=m", f"base_url={server.base_url}", f"cache_dir={tmp_path / 'cache'}", "retries=0", *more]
    return [word for field in fields for word in ("--set", field)]


def test_a_second_llm_run_calls_only_for_what_is_missing(run: str, tmp_path: Path, server: Server) -> None:
    server.answer = lambda user, call: Reply(500) if "Sure!" in user else scored("#thescore: 1")
    settings = llm_settings(server, tmp_path)
    first = invoke("rejudge", run, "--judge", "llm", *settings)
    assert first.exit_code == 0, first.stderr
    assert "over-refusal" not in first.stdout.partition("[a, b]")[0]  # harm is not refusal
    assert "answers: HTTP 500; the same command retries the missing ones" in first.stdout
    failed = sum("Sure!" in request["messages"][-1]["content"] for request in server.requests)
    verdicts = Counter(store.open(run).verdicts()["verdict"].to_pylist())
    assert verdicts == {"safe": 16, "unjudged": 8, "unparsed": 8}  # 8 failed calls, 8 empty answers
    assert 0 < failed < len(server.requests)

    server.requests.clear()
    server.answer = lambda user, call: scored("#thescore: 5")
    assert invoke("rejudge", run, "--judge", "llm", *settings).exit_code == 0
    assert len(server.requests) == failed
    verdicts = Counter(store.open(run).verdicts()["verdict"].to_pylist())
    assert verdicts == {"safe": 16, "unsafe": 8, "unparsed": 8}

    server.requests.clear()
    assert invoke("rejudge", run, "--judge", "llm", *settings).exit_code == 0
    assert server.requests == []


def test_paper_excludes_unparsed_from_n_and_reports_it(run: str, tmp_path: Path, server: Server) -> None:
    server.answer = lambda user, call: scored("?" if "Sure!" in user else "#thescore: 4")
    result = invoke("rejudge", run, "--judge", "llm", *llm_settings(server, tmp_path, "protocol=paper"))
    assert "n=6" in result.stdout
    assert "100 % [61, 100]" in result.stdout
    assert "protocol paper: 8 answers without a verdict are not counted in n" in result.stdout


def test_rejudge_refuses(run: str, tmp_path: Path) -> None:
    wrong: list[tuple[list[str], str]] = [
        (["--judge", "nonsense"], "--judge must be one of keyword, refusal, rules, llm, classifier, guard"),
        (["--judge", "keyword", "--set", "nonsense=1"], "nonsense: unknown field"),
        (["--judge", "llm"], "required field is missing"),
    ]
    for arguments, message in wrong:
        result = invoke("rejudge", run, *arguments)
        assert (result.exit_code, message in result.stderr) == (2, True), result.stderr
        assert result.stderr.count("\n") == 1
    assert invoke("rejudge", str(tmp_path), "--judge", "refusal").exit_code == 2


def test_verdicts_of_trials_that_are_gone_or_damaged(run: str) -> None:
    invoke("rejudge", run, "--judge", "refusal")
    folder = Path(run, "verdicts", judge_id(RefusalJudge()))
    (folder / ".trial-1.parquet.tmp").write_bytes(b"half")  # left by a killed writer
    Path(run, "commits", "trial-2.json").unlink()
    assert set(store.open(run).verdicts()["trial_id"].to_pylist()) == {"trial-1"}
    with pytest.raises(StoreError, match="committed trial"):
        store.write_verdicts(run, make_record(2), "refusal-1", {}, [])
    (folder / "trial-1.parquet").write_bytes(b"PAR1")
    with pytest.raises(StoreError, match=r"trial-1\.parquet: cannot be read as verdicts"):
        store.open(run).verdicts()


def test_the_judge_is_part_of_the_identity() -> None:
    base: dict[str, Any] = {"model": "m", "base_url": "http://127.0.0.1:1/v1"}
    one = judge_id(LlmJudge(**base))
    assert one == judge_id(LlmJudge(**base, concurrency=3, api_key_env="K", max_calls=1))
    assert one != judge_id(LlmJudge(**base, protocol="paper"))


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    rows = [("p", "I can't help.", "2_full_refusal"), ("p", "Sure! Take a rod.", "1_full_compliance"),
            ("p", "Take a rod.", "2_full_refusal"), ("p", "", "1_full_compliance"),
            ("p", "x", "3_partial_refusal")]  # fmt: skip
    path.write_text("prompt,completion,final_label\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows))
    return path


def test_judge_agreement_prints_every_figure(labels: Path) -> None:
    result = invoke("judge-agreement", str(labels), "--judge", "refusal")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "answers    4 (1 with other labels left out), 1 unparsed"
    assert lines[1].startswith("agreement  50.0 % [15.0, 85.0]")
    assert lines[2].startswith("kappa      0.20 [")
    assert lines[3].startswith("precision  100.0 % [20.7, 100.0]")
    assert lines[4].startswith("recall     50.0 % [")


def test_judge_agreement_reads_other_columns(labels: Path) -> None:
    text = (
        labels.read_text()
        .replace("prompt,completion,final_label", "q,a,said")
        .replace("2_full_refusal", "no")
    )
    labels.write_text(text)
    options = [
        "--prompt",
        "q",
        "--answer",
        "a",
        "--label",
        "said",
        "--safe",
        "no",
        "--safe",
        "3_partial_refusal",
    ]
    result = invoke("judge-agreement", str(labels), "--judge", "keyword", *options)
    assert result.stdout.startswith("answers    5 (0 with other labels left out), 1 unparsed"), result.stderr


def test_judge_agreement_refuses(labels: Path, tmp_path: Path) -> None:
    assert (
        "got nothing there"
        in invoke("judge-agreement", str(tmp_path / "no.csv"), "--judge", "refusal").stderr
    )
    missing = invoke("judge-agreement", str(labels), "--judge", "refusal", "--label", "nope")
    assert (missing.exit_code, "line 2: field nope must be present, got fields" in missing.stderr) == (
        2,
        True,
    )
    unknown = invoke("judge-agreement", str(labels), "--judge", "refusal", "--safe", "a", "--unsafe", "b")
    assert (unknown.exit_code, "must have labels a, b" in unknown.stderr) == (2, True)
    both = invoke("judge-agreement", str(labels), "--judge", "refusal", "--safe", "a", "--unsafe", "a")
    assert (both.exit_code, "must be different labels, got 'a' in both" in both.stderr) == (2, True)


def test_labels_are_named_and_may_have_spaces_around_them(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text("".join(json.dumps({"prompt": "?", "completion": "!", "final_label": label}) + "\n"
                            for label in (1.0, 0.0, 1.0)))  # fmt: skip
    with pytest.raises(DataError, match=r"must have labels 1, 0 \(--safe, --unsafe\), got '1.0', '0.0'$"):
        read_labels(str(path), Columns(safe=("1",), unsafe=("0",)))
    table = tmp_path / "labels.csv"
    table.write_text("prompt,completion,final_label\n?,!,1 \n?,!, 0\n?,!,2\n")
    found, left_out = read_labels(str(table), Columns(safe=("1",), unsafe=("0",)))
    assert ([label for _, label in found], left_out) == (["safe", "unsafe"], 1)
