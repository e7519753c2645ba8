"""The end of Ray on the head ends the sweep; that of another machine does not."""

import socket
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from lookahead_ray.errors import SurroundingsError
from lookahead_ray.sweep.cluster import HEAD_RESOURCE
from lookahead_ray.sweep.head_watch import CHECK_EVERY_S, UNREACHABLE_S, HeadWatch, accepts_connections


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
    with pytest.raises(SurroundingsError, match=r"Ray on the head has died .* --resume"):
        watch.check()


def test_a_control_service_that_stays_away_ends_the_sweep_and_a_short_absence_does_not() -> None:
    """Requests are made only while it is there: they would not return."""
    now, there = [0.0], [True]

    def nodes() -> Iterable[Mapping[str, Any]]:
        assert there[0]
        return [node(True, HEAD_RESOURCE)]

    watch = HeadWatch(nodes, lambda: now[0], lambda: there[0])

    def check_for(seconds: float) -> None:
        until = now[0] + seconds
        while now[0] < until:
            now[0] += CHECK_EVERY_S
            watch.check()

    for present in (False, True, False):
        there[0] = present
        check_for(UNREACHABLE_S)
    with pytest.raises(SurroundingsError, match=r"GCS\) on the head .*for 30 s.* --resume"):
        check_for(CHECK_EVERY_S)


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "[::1]")])
def test_a_server_that_listens_is_told_from_one_that_was_killed(family: int, host: str) -> None:
    try:
        server = socket.create_server((host.strip("[]"), 0), family=family)
    except OSError:
        pytest.skip("this machine has no such addresses")
    address = f"{host}:{server.getsockname()[1]}"
    with server:
        assert accepts_connections(address)
    assert not accepts_connections(address)
