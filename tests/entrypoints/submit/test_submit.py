"""Submission through a job server in memory: what is uploaded, refused and followed."""

from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from lookahead_ray.entrypoints.submit.address import VARIABLE
from lookahead_ray.entrypoints.submit.jobs import RUN, Client, Jobs
from lookahead_ray.entrypoints.submit.submission import Submission, Where
from lookahead_ray.entrypoints.submit.submit import submit
from lookahead_ray.entrypoints.submit.watch import show_logs, stop
from lookahead_ray.errors import ConfigError, TrialError
from tests.entrypoints.submit.fakes import SPACE, FakeClient, Job, checkout

HERE = Where(address="http://127.0.0.1:8265")
BUCKET = "s3://bucket/mine"


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    checkout(root, {"lib.py": "pass"})
    (root / "mine.yaml").write_text(SPACE)
    monkeypatch.chdir(root)
    monkeypatch.delenv(VARIABLE, raising=False)
    return root


def to(client: FakeClient) -> Callable[[str], Client]:
    def connect(address: str) -> Client:
        assert address == HERE.address
        return client

    return connect


def run(
    client: FakeClient, what: Submission, detach: bool = True, where: Where = HERE, path: str = "mine.yaml"
) -> list[str]:
    told: list[str] = []
    submit(Path(path), what, where, detach, told.append, to(client))
    return told


def test_a_submission_hands_over_tree_command_and_named_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "s3cret")
    monkeypatch.setenv("OTHER", "stays")
    client = FakeClient()
    what = Submission("mine.yaml", BUCKET, True, ["search.trials=3"], ["MY_TOKEN"])
    told = run(client, what)
    (job,) = client.jobs
    assert set(client.files) == {"lib.py", "mine.yaml", ".lookahead-ray-job"}
    assert client.submitted[0]["entrypoint"] == (
        "exec python -m lookahead_ray.cli.main sweep mine.yaml --run s3://bucket/mine --resume "
        "--set search.trials=3"
    )
    env = client.submitted[0]["env"]
    assert env["MY_TOKEN"] == "s3cret"
    assert "OTHER" not in env
    assert env["LOOKAHEAD_RAY_JOB"] == job
    assert env["RAY_JOB_STOP_SIGNAL"] == "SIGINT"
    assert "s3cret" not in "\n".join(told)
    assert f"follow   lookahead-ray logs {job} --follow --address {HERE.address}" in told
    assert f"stop     lookahead-ray stop {job} --address {HERE.address}" in told
    assert f"status   lookahead-ray status {BUCKET}" in told


def test_a_space_outside_the_project_is_packed_too(tmp_path: Path) -> None:
    (tmp_path / "far.yaml").write_text(SPACE)
    client = FakeClient()
    run(client, Submission("far", BUCKET), path=str(tmp_path / "far.yaml"))
    assert client.files["submitted/far.yaml"].decode() == SPACE
    assert " sweep submitted/far.yaml " in client.submitted[0]["entrypoint"]


@pytest.mark.parametrize("given", ["", "runs/mine", "mine", "memory://mine"])
def test_a_run_that_the_cluster_can_not_mean_is_refused(given: str) -> None:
    client = FakeClient()
    with pytest.raises(ConfigError, match=r"^--run: must be a URL such as s3://bucket/mine, or the absolute"):
        run(client, Submission("mine.yaml", given))
    assert not client.submitted


@pytest.mark.parametrize("given", ["/shared/runs/mine", "gs://b/r", "file:///shared/r"])
def test_shared_paths_and_urls_are_taken(given: str) -> None:
    client = FakeClient()
    run(client, Submission("mine.yaml", given))
    assert f"--run {given}" in client.submitted[0]["entrypoint"]


@pytest.mark.parametrize(
    ("where", "rule"),
    [
        (Where(), "^which cluster: give --cluster"),
        (Where(cluster="no.yaml"), "^no.yaml: no such cluster file$"),
        (Where(cluster="mine.yaml"), "^mine.yaml: must be a file for `ray up`"),
        (Where(address="auto"), "^--address: must be http"),
    ],
)
def test_an_address_without_a_cluster_is_refused(where: Where, rule: str) -> None:
    client = FakeClient()
    with pytest.raises(ConfigError, match=rule):
        run(client, Submission("mine.yaml", BUCKET), where=where)
    assert not client.submitted


@pytest.mark.parametrize(
    ("name", "rule"),
    [("NOT_SET_HERE", "^--env NOT_SET_HERE: is not set here$"), ("A=b", "^--env: must be the name")],
)
def test_variables_must_be_set_and_are_named_alone(name: str, rule: str) -> None:
    client = FakeClient()
    with pytest.raises(ConfigError, match=rule):
        run(client, Submission("mine.yaml", BUCKET, env=[name]))
    assert not client.submitted


def test_the_environment_may_name_the_job_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "http://head:8265")
    assert Where.from_options(None, None).options == ["--address", "http://head:8265"]
    assert Where.from_options("c.yaml", None).options == ["--cluster", "c.yaml"]


def test_following_prints_what_the_job_prints(capsys: pytest.CaptureFixture[str]) -> None:
    client = FakeClient(["mine: starting\n", "  [1/3] \x1b[31mfin", "ished\n"])
    run(client, Submission("mine.yaml", BUCKET), detach=False)
    assert capsys.readouterr().out == "mine: starting\n  [1/3] finished\n"


def test_following_continues_after_a_lost_connection() -> None:
    client = FakeClient(["one\n", RuntimeError("lost"), "two\n", OSError("lost"), "three\n"])
    client.jobs["j"] = Job("j")
    written: list[str] = []
    assert Jobs(client, retry_s=0).follow("j", written.append) == "SUCCEEDED"
    assert "".join(written) == "one\ntwo\nthree\n"


def test_a_permanently_lost_connection_reports_that_the_job_continues() -> None:
    client = FakeClient([RuntimeError("lost")] * 9)
    client.jobs["j"] = Job("j")
    with pytest.raises(
        ConfigError, match=r"^j: is still running, but its output can no longer be followed: lost$"
    ):
        Jobs(client, retry_s=0).follow("j", str)


@pytest.mark.parametrize(
    ("ends", "code", "line"),
    [
        (
            "STOPPED",
            130,
            "stopped: committed trials are kept; continue with: lookahead-ray submit mine.yaml ",
        ),
        ("FAILED", 1, ": failed: out of memory\n"),
    ],
)
def test_how_a_followed_job_ended(
    capsys: pytest.CaptureFixture[str], ends: str, code: int, line: str
) -> None:
    with pytest.raises(typer.Exit) as end:
        run(FakeClient(ends=ends), Submission("mine.yaml", BUCKET), detach=False)
    assert end.value.exit_code == code
    told = capsys.readouterr().err
    assert line in told
    assert told.count("\n") == 1
    if ends == "STOPPED":
        assert told.endswith(f"--address {HERE.address} --run {BUCKET} --resume\n")


def test_a_job_is_found_by_its_id_and_by_its_run() -> None:
    client = FakeClient()
    client.jobs = {"a": Job("a", {RUN: BUCKET}, start_time=1), "b": Job("b", {RUN: BUCKET}, start_time=2)}
    jobs = Jobs(client)
    assert jobs.find("a") == "a"
    assert jobs.find(f"{BUCKET}/") == "b"
    with pytest.raises(ConfigError, match=r"^c: must be a submission id"):
        jobs.find("c")


def test_stop_asks_the_last_job_of_a_run_and_waits() -> None:
    client = FakeClient()
    client.jobs = {"a": Job("a", {RUN: BUCKET})}
    told: list[str] = []
    stop(BUCKET, HERE, told.append, to(client))
    assert client.jobs["a"].status == "STOPPED"
    assert told[-1].startswith("a: stopped; ")
    stop("a", HERE, told.append, to(client))
    assert told[2:] == ["a: has already ended: stopped"]


def test_a_job_that_does_not_end_is_reported() -> None:
    client = FakeClient()
    client.jobs["a"] = Job("a")
    client.stop_job = lambda job_id: True  # type: ignore[method-assign]
    with pytest.raises(TrialError, match=r"^a: did not stop: it still runs"):
        Jobs(client, retry_s=0).stop("a", timeout_s=0)


def test_logs_of_a_job(capsys: pytest.CaptureFixture[str]) -> None:
    client = FakeClient(["one\n\x1b[2Jtwo\n"])
    client.jobs["a"] = Job("a")
    show_logs("a", False, HERE, print, to(client))
    assert capsys.readouterr().out == "one\ntwo\n"
    with pytest.raises(ConfigError, match=r"^--follow: needs the cluster"):
        show_logs("runs/mine", True, Where(), print)


def test_a_refusal_of_the_server_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"^nobody: Request failed with status code 404: Job nobody does"):
        Jobs(FakeClient()).status("nobody")
