"""What tests of several packages share."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def group() -> Iterator[None]:
    """A process group of this process alone; one for all tests, as DeepSpeed remembers the first it sees."""
    from lookahead_ray.train.process_group import single_process_group

    with single_process_group():
        yield
