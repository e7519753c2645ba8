"""A stub of a judge's endpoint, reached without a proxy."""

from collections.abc import Iterator

import pytest

from tests.evaluate.judges.judge_server import Server, serve


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serve() as state:
        yield state
