"""The tunnel to a head leads to ssh's own socket, never to what another user listens with."""

import http.server
import os
import stat
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from lookahead_ray.entrypoints.submit import address, forward
from lookahead_ray.entrypoints.submit.address import job_server, tunnel
from lookahead_ray.errors import ConfigError

SERVER = """
import http.server, os, pathlib, socketserver, sys
class Server(socketserver.ThreadingUnixStreamServer):
    def get_request(self):
        return super().get_request()[0], ("ssh", 0)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"head " + self.headers["Authorization"].encode() + b"x" * 300_000)
pathlib.Path({child!r}).write_text(str(os.getpid()))
Server(sys.argv[2], Handler).serve_forever()
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """Return a program as `forward` is one: its child process listens, as ssh does, and it waits."""
    (tmp_path / "server.py").write_text(SERVER.format(child=str(tmp_path / "child")))
    script = tmp_path / "ray"
    script.write_text(f'#!/bin/sh\n{sys.executable} {tmp_path}/server.py "$@" &\nwait\n')
    script.chmod(0o755)
    return [str(script), "cluster.yaml"]


def get(url: str) -> bytes:
    request = urllib.request.Request(url, headers={"Authorization": "Bearer TOKEN"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        content: bytes = answer.read()
    return content


def test_a_tunnel_lives_while_needed_and_ends_with_its_processes(command: list[str], tmp_path: Path) -> None:
    with tunnel(command) as url:
        assert url.startswith("http://127.0.0.1:")
        assert get(url) == b"head Bearer TOKEN" + b"x" * 300_000
        pid = int((tmp_path / "child").read_text())
        os.kill(pid, 0)
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the tunnel's child is alive")
    with pytest.raises(OSError, match="refused"):
        get(url)


def test_a_failed_tunnel_gives_the_reason(tmp_path: Path) -> None:
    script = tmp_path / "ray"
    script.write_text("#!/bin/sh\necho 'Head node of cluster (mine) not found!'\nexit 1\n")
    script.chmod(0o755)
    with (
        pytest.raises(ConfigError, match=r"^c.yaml: no tunnel to the head: Head node .* not found!$"),
        tunnel([str(script), "c.yaml"]),
    ):
        pass


class Thief(http.server.BaseHTTPRequestHandler):
    """A program of another user that answers at every port it can read from a process's arguments."""

    stolen: list[str]

    def do_GET(self) -> None:
        self.stolen.append(self.headers.get("Authorization", ""))
        self.send_response(200)
        self.end_headers()


@pytest.fixture
def watcher(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Bind each TCP port among the arguments of a started process at once, before the process can."""
    Thief.stolen = []
    servers: list[http.server.HTTPServer] = []
    start = address.subprocess.Popen

    def watched(command: list[str], **options: object) -> object:
        for word in command:
            if word.isdigit():
                servers.append(http.server.HTTPServer(("127.0.0.1", int(word)), Thief))
                threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return start(command, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(address.subprocess, "Popen", watched)
    yield Thief.stolen
    for server in servers:
        server.shutdown()
        server.server_close()


def test_no_other_listener_gets_the_token(command: list[str], watcher: list[str]) -> None:
    with tunnel(command) as url:
        assert get(url).startswith(b"head Bearer TOKEN")
    assert watcher == []


def test_the_sockets_directory_is_private(tmp_path: Path) -> None:
    script = tmp_path / "ray"
    script.write_text(f'#!/bin/sh\nstat -c %a "$(dirname "$2")" > {tmp_path}/mode\nexit 1\n')
    script.chmod(0o755)
    with pytest.raises(ConfigError), tunnel([str(script), "c.yaml"]):
        pass
    assert int((tmp_path / "mode").read_text(), 8) == stat.S_IRWXU


def test_ssh_is_told_the_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[object] = []
    monkeypatch.setattr(
        "ray.autoscaler._private.commands.exec_cluster",
        lambda cluster, port_forward: told.append((cluster, port_forward)),
    )
    forward.main("c.yaml", "/tmp/x/head")
    assert told == [("c.yaml", [("/tmp/x/head", 8265)])]


def test_a_cluster_file_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such cluster file"), job_server(str(tmp_path / "c.yaml"), None):
        pass


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://head.example:8265", True),
        ("http://203.0.113.7:8265", True),
        ("http://127.0.0.1.example:8265", True),
        ("https://head.example", False),
        ("http://127.0.0.1:8265", False),
        ("http://[::1]:8265", False),
        ("http://localhost:8265", False),
    ],
)
def test_what_others_can_read_on_the_way_is_said(
    url: str, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with job_server(None, url) as found:
        assert found == url
    told = capsys.readouterr().err
    assert told.startswith(f"warning: {url}: the token, ") == warned
    assert bool(told) == warned
