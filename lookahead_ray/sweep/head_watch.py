"""Detection of the end of Ray on the head. Does not import Ray."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lookahead_ray.errors import InfrastructureError
from lookahead_ray.sweep.cluster import HEAD_RESOURCE

CHECK_EVERY_S = 5.0


class HeadWatch:
    """A watch over the head's node, on which the processes of trials start.

    If its raylet dies (killed by the kernel for its memory, say), Ray's control service may live on. The
    driver then gets no error, and Tune waits for resources for ever.
    """

    def __init__(
        self,
        nodes: Callable[[], Iterable[Mapping[str, Any]]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Use `nodes`, which returns what `ray.nodes()` does."""
        self._nodes, self._clock = nodes, clock
        self._checked_s = clock()

    def check(self) -> None:
        """Raise `InfrastructureError` if the head's node is dead; look every `CHECK_EVERY_S` at most."""
        if self._clock() - self._checked_s < CHECK_EVERY_S:
            return
        self._checked_s = self._clock()
        if not any(node["Alive"] and HEAD_RESOURCE in node["Resources"] for node in self._nodes()):
            raise InfrastructureError(
                "Ray on the head has died (its raylet was killed, or the machine ran out of memory), so no "
                "trial can run; start it again if it is a cluster's, then continue with --resume"
            )
