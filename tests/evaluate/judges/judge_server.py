"""A configurable, misbehaving chat-completions endpoint on this machine."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """A response of the server: status, headers, and body as text."""

    status: int = 200
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0


def scored(text: str) -> Reply:
    """Return a well-formed response with the content `text`."""
    return Reply(body=json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}))


@dataclass
class Server:
    """Its address, and the requests that it received."""

    base_url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    answer: Callable[[str, int], Reply] = lambda user, call: scored("#thescore: 1")
    most_at_once: int = 0


@contextmanager
def serve(port: int = 0, host: str = "127.0.0.1") -> Iterator[Server]:
    """Serve with `answer(user message, times it was sent before)` deciding each response; port 0 is any."""
    state, lock, now = Server(), threading.Lock(), [0]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            user = body["messages"][-1]["content"]
            with lock:
                before = sum(request["messages"][-1]["content"] == user for request in state.requests)
                state.requests.append(body | {"path": self.path})
                state.keys.append(self.headers["Authorization"])
                state.times.append(time.monotonic())
                now[0] += 1
                state.most_at_once = max(state.most_at_once, now[0])
            reply = state.answer(user, before)
            time.sleep(reply.delay_s)
            with lock:
                now[0] -= 1
            try:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body.encode())))
                self.end_headers()
                self.wfile.write(reply.body.encode())
            except OSError:
                pass  # the judge has closed the connection

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer((host, port), Handler)
    state.base_url = f"http://{host}:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
