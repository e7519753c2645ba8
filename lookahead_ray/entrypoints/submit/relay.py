"""A local port of this process whose connections go on to a Unix socket."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer

CHUNK = 1 << 16


@contextmanager
def relay(path: Path) -> Iterator[int]:
    """Yield a port of 127.0.0.1; each connection to it is passed on to the Unix socket at `path`.

    Ray's client connects to ports only. This process holds the port before anything is sent to it, so no
    other program can answer in its place; without a listener at `path` connections are closed.
    """

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with socket.socket(socket.AF_UNIX) as far, suppress(OSError):
                far.connect(str(path))
                back = threading.Thread(target=_pass_on, args=(far, self.request), daemon=True)
                back.start()
                _pass_on(self.request, far)
                back.join()

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    """Send what `source` receives to `target`, until `source` ends or either fails."""
    with suppress(OSError):
        while chunk := source.recv(CHUNK):
            target.sendall(chunk)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
