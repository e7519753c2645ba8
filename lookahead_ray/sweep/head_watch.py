"""Detection of the end of Ray on the head. Does not import Ray."""

import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lookahead_ray.errors import SurroundingsError
from lookahead_ray.sweep.cluster import HEAD_RESOURCE

CHECK_EVERY_S = 5.0
UNREACHABLE_S = 30.0
"""Time without the control service after which the sweep ends. Ray ends the driver's process itself, without
a message on the terminal, after `RAY_gcs_rpc_server_reconnect_timeout_s` (60 s)."""
CONNECT_S = 2.0
WHAT_NEXT = "so no trial can run; start it again if it is a cluster's, then continue with --resume"


class HeadWatch:
    """A watch over Ray's control service (GCS) and the head's node, on which the processes of trials start.

    If the node's raylet dies (killed by the kernel for its memory, say), the control service may live on. The
    driver then gets no error, and Tune waits for resources for ever. If the control service dies, Ray ends
    the driver's process after a time; until then, a request to it does not return.
    """

    def __init__(
        self,
        nodes: Callable[[], Iterable[Mapping[str, Any]]],
        clock: Callable[[], float] = time.monotonic,
        reachable: Callable[[], bool] = lambda: True,
    ) -> None:
        """Create a watch.

        Args:
            nodes: returns what `ray.nodes()` does; called only while the control service is reachable.
            reachable: returns whether the control service accepts connections.
        """
        self._nodes, self._clock, self._reachable = nodes, clock, reachable
        self._checked_s = clock()
        self._unreachable_since_s: float | None = None

    def check(self) -> None:
        """Raise `SurroundingsError` if Ray on the head is dead; look every `CHECK_EVERY_S` at most."""
        now_s = self._clock()
        if now_s - self._checked_s < CHECK_EVERY_S:
            return
        self._checked_s = now_s
        if not self._reachable():
            if self._unreachable_since_s is None:
                self._unreachable_since_s = now_s
            if now_s - self._unreachable_since_s >= UNREACHABLE_S:
                raise SurroundingsError(
                    f"Ray's control service (GCS) on the head has accepted no connection for "
                    f"{UNREACHABLE_S:g} s, {WHAT_NEXT}"
                )
            return
        self._unreachable_since_s = None
        if not any(node["Alive"] and HEAD_RESOURCE in node["Resources"] for node in self._nodes()):
            raise SurroundingsError(
                "Ray on the head has died (its raylet was killed, or the machine ran out of memory), "
                f"{WHAT_NEXT}"
            )


def accepts_connections(address: str) -> bool:
    """Return whether a TCP server listens at `address`, which is HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
    except OSError:
        return False
    return True
