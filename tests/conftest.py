"""Fixtures shared by tests of several packages."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def group() -> Iterator[None]:
    """A process group of one process; one for all tests, because DeepSpeed keeps the first it sees."""
    from lookahead_ray.train.process_group import single_process_group

    with single_process_group():
        yield
