"""The end of Ray on the head ends the sweep; that of another machine does not."""

from typing import Any

import pytest

from lookahead_ray.errors import InfrastructureError
from lookahead_ray.sweep.cluster import HEAD_RESOURCE
from lookahead_ray.sweep.head_watch import CHECK_EVERY_S, HeadWatch


def node(alive: bool, *resources: str) -> dict[str, Any]:
    return {"Alive": alive, "Resources": dict.fromkeys(resources, 1.0)}


def test_a_dead_head_ends_the_sweep() -> None:
    now, head = [0.0], [node(True, "CPU", HEAD_RESOURCE), node(True, "CPU")]
    watch = HeadWatch(lambda: head, lambda: now[0])
    now[0] += CHECK_EVERY_S
    watch.check()
    head[1] = node(False)
    now[0] += CHECK_EVERY_S
    watch.check()
    head[:] = [node(False), node(True, "CPU")]  # a dead node has no resources
    watch.check()  # too early to look again
    now[0] += CHECK_EVERY_S
    with pytest.raises(InfrastructureError, match=r"Ray on the head has died .* --resume"):
        watch.check()
