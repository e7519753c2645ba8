"""`rejudge RUN` completes trials whose judge was down; `status`, `tables` and the report say what waits."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from analysis.__main__ import app as analysis
from lookahead_ray import store
from lookahead_ray.cli.main import app
from lookahead_ray.entrypoints.unjudged import complete_unjudged
from lookahead_ray.evaluate.judges.base import JudgeUnavailableError
from lookahead_ray.presentation.status import read_status
from lookahead_ray.trial.record import Role
from tests.sweep.test_judge_outages import TRIALS, Judged, essence, fails


@pytest.fixture
def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Judged]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with ExitStack() as stack:
        yield Judged(tmp_path, stack)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), prog_name="lookahead-ray")


def test_the_seed_model_waits_is_shown_and_completed(judged: Judged) -> None:
    fails(judged)
    with pytest.raises(JudgeUnavailableError):
        judged.session()
    still = invoke("rejudge", judged.run)
    assert still.exit_code == 1, still.output
    assert "error: 1 of 1 trials stay unjudged: judge llm: base_url" in still.stderr
    status = read_status(judged.run)
    assert (status.by_status["unjudged"], status.by_status["completed"]) == (1, 0)
    assert status.unjudged is not None
    assert status.unjudged.startswith("1 trial waits for a judge, answers kept: judge llm: base_url")
    assert [line.partition(": ")[2] for line in status.judge_calls] == [
        f"{len(judged.server.requests)} of 2,000 calls"
    ]
    assert "(unjudged)" in invoke("tables", judged.run).stdout
    judged.mend()
    refused = invoke("rejudge", judged.run, "--set", "model=other")
    assert (refused.exit_code, "must set only limits of the run's judge" in refused.stderr) == (2, True)
    done = invoke("rejudge", judged.run, "--set", "max_calls=3000")
    assert done.exit_code == 0, done.output
    (record,) = judged.records()
    assert (record.status, record.error, record.rsr is None, record.safety is None) == (
        "completed",
        None,
        False,
        False,
    )
    nothing = invoke("rejudge", judged.run)
    assert (nothing.exit_code, "must have unjudged trials, got none" in nothing.stderr) == (2, True)


@pytest.mark.parametrize("role", ["evaluate", "search"])
def test_a_model_measured_alone_is_completed_without_an_objective(judged: Judged, role: Role) -> None:
    """As `evaluate` and `train` commit it."""
    fails(judged)
    with pytest.raises(JudgeUnavailableError):
        judged.session()
    (seed,) = judged.records()
    run = f"{judged.run}-alone"
    writer = store.create(run, store.SweepIdentity(seed.sweep_id, "alone", "h", {}, "now"))
    writer.commit(replace(seed, role=role, trial_id="alone"))
    judged.mend()
    (completed,) = complete_unjudged(run, ()).completed
    assert (completed.status, completed.objective, completed.rsr is None) == ("completed", None, False)


@pytest.mark.slow
def test_after_rejudge_the_search_goes_on_as_if_nothing_had_been(judged: Judged, tmp_path: Path) -> None:
    with ExitStack() as stack:
        other = tmp_path / "undisturbed"
        other.mkdir()
        undisturbed = essence(Judged(other, stack).session())
    judged.session(lambda trial_id: fails(judged) if trial_id == "search-002" else None)
    page = tmp_path / "report.html"
    assert CliRunner().invoke(analysis, ["report", judged.run, "--out", str(page)]).exit_code == 0
    assert "3 trials wait for a judge that was down" in page.read_text()
    judged.mend()
    done = invoke("rejudge", judged.run)
    assert done.exit_code == 0, done.output
    assert done.stdout.count("completed: ") == 3
    assert {record.status for record in store.open(judged.run).records()} == {"completed"}
    assert essence(judged.session()) == undisturbed
    assert len(judged.told) == TRIALS
