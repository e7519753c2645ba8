"""Decisions reach a trial, and one that is lost does not hold it for ever."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from lookahead_ray.trial import stop_decisions
from lookahead_ray.trial.failure import ProcessDiedError
from lookahead_ray.trial.stop_decisions import Decisions, wait_for


def test_a_lost_decision_restarts_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop_decisions, "PATIENCE_S", 0.2)
    monkeypatch.setattr(ray, "get", lambda answer: answer)
    emptied = SimpleNamespace(made=SimpleNamespace(remote=lambda trial_id, epoch: None))
    with pytest.raises(ProcessDiedError, match="no decision on epoch 3"):
        wait_for(emptied, "search-001", 3)


@pytest.fixture
def decisions() -> Iterator[Any]:
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    yield Decisions.remote()  # type: ignore[attr-defined]
    ray.shutdown()


@pytest.mark.slow
def test_the_actor_is_there_again_after_it_was_killed(decisions: Any) -> None:
    decisions.make.remote("search-001", 1, True)
    assert wait_for(decisions, "search-001", 1)
    ray.kill(decisions, no_restart=False)
    decisions.make.remote("search-001", 2, False)
    assert not wait_for(decisions, "search-001", 2)
