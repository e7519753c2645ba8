"""The cluster of hosts that all tests with the marker `cluster` share."""

from collections.abc import Iterator

import pytest

from tests.cluster import hosts
from tests.cluster.on_premise import Cluster
from tests.cluster.submitted import Submitted


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """Start a cluster with `ray up`; end it with `ray down`, and check that nothing is left."""
    if reason := hosts.why_not():
        pytest.skip(f"no cluster can be made here: {reason}")
    cluster = Cluster()
    try:
        print(f"\nray up: {cluster.up():.0f} s until all workers are there")
        yield cluster
        print(f"\nray down: {cluster.down():.0f} s until Ray runs on no host")
    finally:
        cluster.close()
    assert not cluster.network.left()


@pytest.fixture(scope="session")
def undisturbed(cluster: Cluster) -> Iterator[Submitted]:
    """Run a sweep without faults, as the expected result."""
    sweep = Submitted(cluster, "undisturbed")
    yield sweep
    sweep.close()
