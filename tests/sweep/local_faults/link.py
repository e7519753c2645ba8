"""A TCP connection to a server on this machine that can be cut, as by a network partition."""

import socket
import threading
from contextlib import suppress
from types import TracebackType

CHUNK = 65536


class Link:
    """Forwards connections to a port; while it is cut, nothing arrives, and no end reports an error."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._whole = threading.Event()
        self._whole.set()
        self._sockets: list[socket.socket] = [self._listener]
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self) -> None:
        """Hold back all bytes of both directions from now on, those of new connections too."""
        self._whole.clear()

    def mend(self) -> None:
        """Deliver what was held back, and forward again."""
        self._whole.set()

    def __enter__(self) -> "Link":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._whole.set()
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._sockets.append(near)
                threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        self._whole.wait()
        try:
            far = socket.create_connection(("127.0.0.1", self._port))
        except OSError:
            near.close()
            return
        self._sockets.append(far)
        for source, target in ((near, far), (far, near)):
            threading.Thread(target=self._forward, args=(source, target), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(CHUNK):
                self._whole.wait()
                target.sendall(chunk)
            self._whole.wait()
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
