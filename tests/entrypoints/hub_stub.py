"""A model hub of a few endpoints on this machine, as `huggingface_hub` calls them."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "hf_test"  # accepted by the stub only


@dataclass
class Hub:
    """The stub's state; tests change and read it."""

    address: str = ""
    role: str = "write"
    orgs: list[dict[str, str]] = field(default_factory=lambda: [{"name": "birds", "roleInOrg": "write"}])
    private: bool | None = None  # of the repository; None: it does not exist
    fails: bool = False  # whether commits are refused
    created: list[dict[str, Any]] = field(default_factory=list)
    branches: list[str] = field(default_factory=list)
    commits: list[tuple[str, str, dict[str, bytes]]] = field(default_factory=list)  # path, summary, files


@contextmanager
def serve() -> Iterator[Hub]:
    """Serve a hub on a free port for the duration."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self._send(401, {"error": "Invalid credentials"})
            if self.path.startswith("/api/whoami"):
                token = {"accessToken": {"role": hub.role}}
                return self._send(200, {"name": "ann", "orgs": hub.orgs, "auth": token})
            if hub.private is None:
                return self._send(404, {"error": "not found"}, {"X-Error-Code": "RepoNotFound"})
            about = {
                "id": "birds/owl",
                "modelId": "birds/owl",
                "private": hub.private,
                "siblings": [],
                "tags": [],
            }
            return self._send(200, about)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path.endswith("/repos/create"):
                hub.created.append(json.loads(body))
                hub.private = bool(
                    hub.created[-1].get("private", hub.created[-1].get("visibility") == "private")
                )
                return self._send(200, {"url": f"{hub.address}/birds/owl"})
            if "/branch/" in self.path:
                hub.branches.append(self.path.rpartition("/")[2])
                return self._send(201, {})
            if "/preupload/" in self.path:
                files = [
                    {"path": each["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                    for each in json.loads(body)["files"]
                ]
                return self._send(200, {"files": files})
            if "/commit/" in self.path:
                if hub.fails:
                    return self._send(403, {"error": "storage quota exceeded"})
                lines = [json.loads(line) for line in body.splitlines()]
                files = {
                    line["value"]["path"]: base64.b64decode(line["value"]["content"])
                    for line in lines
                    if line["key"] == "file"
                }
                summary = next(line["value"]["summary"] for line in lines if line["key"] == "header")
                hub.commits.append((self.path, summary, files))
                address = f"{hub.address}/birds/owl/commit/0123"
                return self._send(200, {"commitUrl": address, "commitOid": "0123", "success": True})
            return self._send(200, {"errors": [], "warnings": []})

        def _send(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Type": "application/json"}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
