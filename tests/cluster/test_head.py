"""A running head: its open ports, and that it refuses requests without the token."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import grpc
import psutil
import pytest

from tests.cluster.head import RAY, Head, environment, run, started

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]

STRANGER = {"RAY_AUTH_MODE": "disabled"}
WRONG_TOKEN = {"RAY_AUTH_TOKEN": "0" * 64}


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """Return a short folder, because Ray limits the length of socket paths."""
    with tempfile.TemporaryDirectory(prefix="head") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def head(home: Path) -> Iterator[Head]:
    """Start a head with a token made as docs/cluster.md says."""
    make = f"umask 077; {RAY} get-auth-token --generate"
    subprocess.run(["bash", "-c", make], env=environment(home), check=True, capture_output=True)
    assert (home / ".ray/auth_token").stat().st_mode & 0o777 == 0o600
    with started(home) as head:
        yield head
        processes = head.processes()
    assert len(processes) > 1
    assert not any(psutil.pid_exists(process.pid) and process.is_running() for process in processes)


def get(port: int, path: str, address: str = "127.0.0.1", token: str | None = None) -> tuple[int | None, str]:
    """Return an answer's status and beginning; no status if the port does not speak HTTP."""
    connection = HTTPConnection(address, port, timeout=10)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        return answer.status, answer.read(1000).decode(errors="replace")
    except (HTTPException, OSError):
        return None, ""
    finally:
        connection.close()


def test_no_token_no_head() -> None:
    with (
        tempfile.TemporaryDirectory(prefix="head") as empty,
        pytest.raises(RuntimeError, match=r"[Tt]oken"),
        started(Path(empty)),
    ):
        pass


def test_dashboard_and_job_server_are_on_loopback_alone(head: Head) -> None:
    there = [listener for listener in head.listeners() if listener.port == head.dashboard]
    assert there
    assert all(listener.loopback for listener in there)


def test_ports_reachable_from_outside_are_the_documented_ones(head: Head) -> None:
    listening = {listener.port: listener for listener in head.listeners() if not listener.loopback}
    assert {head.gcs, head.client} <= listening.keys()
    assert head.dashboard not in listening
    for port, listener in listening.items():
        address = "127.0.0.1" if listener.address in ("::", "0.0.0.0") else listener.address
        for path in ("/api/jobs/", "/api/job_agent/jobs/"):
            status, text = get(port, path, address.removeprefix("::ffff:"))
            is_metrics = text.startswith("# HELP")  # such a server answers any path
            assert is_metrics or status in (None, 401, 404), f"{listener} answers {path} to strangers"


def test_the_job_server_asks_for_the_token(head: Head) -> None:
    token = (head.home / ".ray/auth_token").read_text().strip()
    assert get(head.dashboard, "/api/jobs/")[0] == 401
    assert get(head.dashboard, "/api/jobs/", token="0" * 64)[0] in (401, 403)
    assert get(head.dashboard, "/api/jobs/", token=token) == (200, "[]")


@pytest.mark.parametrize(
    ("changed", "is_let_in"),
    [({}, True), (STRANGER, False), (WRONG_TOKEN, False)],
    ids=["owner", "none", "wrong"],
)
def test_the_control_service_asks_for_the_token(head: Head, changed: dict[str, str], is_let_in: bool) -> None:
    answer = run(head, RAY, "status", f"--address=127.0.0.1:{head.gcs}", **changed)
    assert (answer.returncode == 0) == is_let_in, answer.stderr


def test_the_ray_client_asks_for_the_token(head: Head) -> None:
    token = (head.home / ".ray/auth_token").read_text().strip()
    asked_with = {token: "NOT_FOUND", "0" * 64: "UNAUTHENTICATED", None: "UNAUTHENTICATED"}
    for sent, code in asked_with.items():  # the owner is admitted, and has no session yet
        metadata = [("authorization", f"Bearer {sent}")] if sent else []
        with grpc.insecure_channel(f"127.0.0.1:{head.client}") as channel:
            ask = channel.unary_unary("/ray.rpc.RayletDriver/ClusterInfo")
            with pytest.raises(grpc.RpcError) as refusal:
                ask(b"", timeout=60, metadata=metadata)
        assert refusal.value.code().name == code


def test_the_head_has_no_cpu(head: Head) -> None:
    code = (
        f"import ray; ray.init('127.0.0.1:{head.gcs}', log_to_driver=False); print(ray.cluster_resources())"
    )
    answer = run(head, sys.executable, "-c", code)
    assert "node:__internal_head__" in answer.stdout, answer.stderr
    assert "'CPU'" not in answer.stdout
