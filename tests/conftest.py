"""Fixtures shared by tests of several packages."""

from collections.abc import Iterator

import pytest

from tests.evaluate.judges.judge_server import Server, serve


@pytest.fixture(scope="session")
def group() -> Iterator[None]:
    """A process group of one process; one for all tests, because DeepSpeed keeps the first it sees."""
    from lookahead_ray.train.process_group import single_process_group

    with single_process_group():
        yield


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A stub of a judge's endpoint, reached without a proxy."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serve() as state:
        yield state
