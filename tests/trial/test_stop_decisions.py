"""Decisions reach a trial, and one that is lost does not hold it for ever."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from lookahead_ray.trial import stop_decisions
from lookahead_ray.trial.failure import ProcessDiedError
from lookahead_ray.trial.stop_decisions import Decisions, DecisionSender, wait_for


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
@pytest.mark.xdist_group("ray")
def test_a_decision_that_died_with_the_actor_is_sent_again(
    decisions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stop_decisions, "REPEAT_S", 0.1)
    sender = DecisionSender(decisions)
    sender.send("search-001", 1, True)
    assert wait_for(decisions, "search-001", 1)
    sender.send("search-001", 2, False)
    ray.get(decisions.made.remote("search-001", 2))
    ray.kill(decisions, no_restart=False)
    heard = Event()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(wait_for, decisions, "search-001", 2)
        answer.add_done_callback(lambda _: heard.set())
        while not heard.wait(0.05):
            sender.repeat()
        assert not answer.result()


def test_only_decisions_on_running_trials_are_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, int, bool]] = []
    make = SimpleNamespace(remote=lambda *decision: sent.append(decision))
    sender = DecisionSender(SimpleNamespace(make=make))
    sender.send("search-001", 1, True)
    sender.send("search-001", 2, False)
    sender.send("search-002", 1, True)
    sender.repeat()
    assert len(sent) == 3  # it is too early
    monkeypatch.setattr(stop_decisions, "REPEAT_S", 0.0)
    sender.ended("search-002")
    sender.repeat()
    assert sent[3:] == [("search-001", 2, False)]
