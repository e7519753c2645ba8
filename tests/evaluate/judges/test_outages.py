"""Endpoints that are down, hang or refuse all calls: bounded waits, one call to try again, limited calls."""

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lookahead_ray.config.judge import LlmJudge
from lookahead_ray.errors import StoreError
from lookahead_ray.evaluate.judges.base import Answer, JudgeUnavailableError
from lookahead_ray.evaluate.judges.call_quota import LocalQuota, RunQuota, calls_of
from lookahead_ray.evaluate.judges.chat_endpoint import CallError
from lookahead_ray.evaluate.judges.circuit_breaker import MOST_IN_A_ROW, CircuitBreaker
from lookahead_ray.evaluate.judges.llm import ScoringJudge
from lookahead_ray.evaluate.judging import build_judge
from lookahead_ray.evaluate.results import Generation
from tests.evaluate.judges.judge_server import Reply, Server, scored
from tests.factory import make_record

UNAVAILABLE = CallError("HTTP 503", passes=True, status=503)


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def sent(breaker: CircuitBreaker, clock: Clock, takes_s: float, failure: CallError | None) -> bool:
    """Send one call of `takes_s` and return whether the breaker let it pass."""
    try:
        with breaker.calling():
            clock.now_s += takes_s
            if failure:
                raise failure
    except CallError as error:
        return not error.unsent
    return True


class TestBreaker:
    """The states, with a simulated clock."""

    def test_an_hour_of_failures_costs_the_patience_once_and_then_one_call_a_batch(
        self, clock: Clock
    ) -> None:
        breaker, calls = CircuitBreaker(120.0, clock), []
        for _ in range(60):  # trials within an hour
            breaker.begin()
            began_s = clock.now_s
            calls.append(sum(sent(breaker, clock, 10.0, UNAVAILABLE) for _ in range(100)))
            assert clock.now_s - began_s <= 120.0 + 10.0
        assert calls == [12, *[1] * 59]
        breaker.begin()
        assert [sent(breaker, clock, 1.0, None) for _ in range(3)] == [True] * 3
        assert breaker.failure is None

    def test_a_reply_starts_the_patience_again(self, clock: Clock) -> None:
        breaker = CircuitBreaker(100.0, clock)
        breaker.begin()
        for failure in (UNAVAILABLE, None) * 20:
            assert sent(breaker, clock, 90.0, failure)
        assert sent(breaker, clock, 101.0, UNAVAILABLE)
        assert not sent(breaker, clock, 1.0, None)

    def test_one_call_that_hangs_while_others_get_replies_does_not_count(self, clock: Clock) -> None:
        breaker = CircuitBreaker(100.0, clock)
        breaker.begin()

        def hang() -> None:
            with breaker.calling():
                assert sent(breaker, clock, 90.0, None)
                clock.now_s += 20.0
                raise CallError("timed out", passes=True)

        for _ in range(3):
            with pytest.raises(CallError, match="timed out"):
                hang()
            assert breaker.failure is None

    def test_answers_given_up_in_a_row_open_it(self, clock: Clock) -> None:
        breaker = CircuitBreaker(1e9, clock)
        breaker.begin()
        for _ in range(MOST_IN_A_ROW - 1):
            breaker.give_up(UNAVAILABLE)
        assert breaker.failure is None
        breaker.give_up(UNAVAILABLE)
        assert breaker.failure is UNAVAILABLE

    def test_after_a_lost_answer_the_batch_has_the_patience_left(self, clock: Clock) -> None:
        breaker = CircuitBreaker(100.0, clock)
        breaker.begin()
        sent(breaker, clock, 10.0, UNAVAILABLE)
        breaker.give_up(UNAVAILABLE)
        passed = [sent(breaker, clock, 30.0, None) for _ in range(9)]
        assert passed == [True] * 4 + [False] * 5
        breaker.begin()
        assert sent(breaker, clock, 30.0, None)

    def test_a_refused_answer_is_a_reply(self, clock: Clock) -> None:
        breaker = CircuitBreaker(5.0, clock)
        breaker.begin()
        assert all(sent(breaker, clock, 10.0, CallError("HTTP 400", status=400)) for _ in range(20))

    def test_while_one_call_tries_the_endpoint_the_others_wait_for_it(self) -> None:
        breaker = CircuitBreaker(60.0)
        breaker.trip(UNAVAILABLE)
        breaker.begin()
        entered, finish, order = threading.Event(), threading.Event(), list[str]()

        def probe() -> None:
            with breaker.calling():
                entered.set()
                finish.wait(5)
                order.append("probe")

        def other() -> None:
            with breaker.calling():
                order.append("other")

        first = threading.Thread(target=probe)
        first.start()
        entered.wait(5)
        second = threading.Thread(target=other)
        second.start()
        time.sleep(0.05)
        assert order == []
        finish.set()
        first.join(5)
        second.join(5)
        assert order == ["probe", "other"]


def config(server: Server, tmp_path: Path, **changes: Any) -> LlmJudge:
    fields: dict[str, Any] = {
        "model": "grader", "base_url": server.base_url, "cache_dir": str(tmp_path / "cache"),
        "backoff_s": 0.01, "timeout_s": 0.3, "patience_s": 0.6, "retries": 50, "concurrency": 4,
    }  # fmt: skip
    return LlmJudge(**fields | changes)


def answers(count: int) -> list[Answer]:
    return [Answer("Tell me how.", "", f"text {number}") for number in range(count)]


HANGS = Reply(delay_s=1.0)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (HANGS, "timed out"),
        (Reply(503), "HTTP 503"),
        (Reply(429, headers={"Retry-After": "0"}), "HTTP 429"),
        (Reply(429, headers={"Retry-After": "7200"}), "HTTP 429"),
    ],
)
def test_an_endpoint_that_fails_holds_many_answers_for_a_bounded_time(
    server: Server, tmp_path: Path, reply: Reply, reason: str
) -> None:
    server.answer = lambda user, call: reply
    judge = ScoringJudge(config(server, tmp_path))
    start = time.monotonic()
    with pytest.raises(JudgeUnavailableError, match=f"200 answers: {reason}"):
        judge.judge_all(answers(200))
    assert time.monotonic() - start < 0.6 + 0.3 + 1.0
    made = judge.calls
    with pytest.raises(JudgeUnavailableError):
        judge.judge_all(answers(200))
    assert judge.calls == made + 1
    server.answer = lambda user, call: scored("#thescore: 1")
    assert {each.verdict for each in judge.judge_all(answers(20))} == {"safe"}


def test_one_that_begins_to_hang_keeps_what_is_scored(server: Server, tmp_path: Path) -> None:
    server.answer = lambda user, call: scored("#thescore: 1") if len(server.requests) <= 5 else HANGS
    judge = ScoringJudge(config(server, tmp_path, concurrency=1))
    start = time.monotonic()
    verdicts = [each.verdict for each in judge.judge_all(answers(100))]
    assert time.monotonic() - start < 0.6 + 0.3 + 1.0
    assert verdicts == ["safe"] * 5 + ["unjudged"] * 95
    assert judge.outage is not None
    assert judge.outage.startswith("base_url: must be an endpoint that answers within timeout_s")


@pytest.mark.parametrize("status", [402, 403, 400])
def test_an_account_that_is_refused_is_no_verdict_on_answers(
    server: Server, tmp_path: Path, status: int
) -> None:
    """The endpoint refuses everything from the third call on, as when the credit is used up."""
    server.answer = lambda user, call: scored("#thescore: 1") if len(server.requests) <= 2 else Reply(status)
    judge = ScoringJudge(config(server, tmp_path, concurrency=1))
    assert [each.verdict for each in judge.judge_all(answers(20))] == ["safe"] * 2 + ["unjudged"] * 18
    assert len(server.requests) <= 4


def test_trials_of_a_process_share_what_is_known_of_the_endpoint(server: Server, tmp_path: Path) -> None:
    rows = make_record(1, prompts=20).generations
    server.answer = lambda user, call: Reply(503)
    asked = []
    for _ in range(3):
        judge = build_judge(config(server, tmp_path))
        before = len(server.requests)
        assert {row.verdict for row in judge.judged(rows)} == {"unjudged"}
        (outage,) = judge.outages
        assert outage.startswith("judge llm: base_url: must be an endpoint that replies within patience_s")
        asked.append(len(server.requests) - before)
    assert asked[0] > 1
    assert asked[1:] == [1, 1]


class TestQuota:
    """The spending limit of a run."""

    @pytest.mark.parametrize("where", ["directory", "url"])
    def test_it_holds_over_ranks_trials_and_restarts(self, tmp_path: Path, where: str) -> None:
        run = str(tmp_path / "run") if where == "directory" else f"memory://{tmp_path.name}/run"
        granted = 0
        for _ in range(4):  # restarts of the driver
            quota = RunQuota(run)
            counts = list[int]()

            def spend(quota: RunQuota = quota, counts: list[int] = counts) -> None:
                for _ in range(3):
                    counts.append(quota.take("llm-1", 16, 150))

            ranks = [threading.Thread(target=spend) for _ in range(3)]
            for rank in ranks:
                rank.start()
            for rank in ranks:
                rank.join()
            granted += sum(counts)
            assert calls_of(run)["llm-1"] == granted
        while more := quota.take("llm-1", 16, 150):
            granted += more
        assert granted == 150
        assert RunQuota(run).take("llm-1", 16, 150) == 0
        assert RunQuota(run).take("llm-2", 16, 150) == 16

    def test_calls_that_were_not_made_are_returned(self, tmp_path: Path) -> None:
        quota = RunQuota(str(tmp_path))
        assert quota.take("llm-1", 16, 1000) == 16
        quota.give_back("llm-1", 10)
        assert calls_of(str(tmp_path)) == {"llm-1": 6}

    def test_what_cannot_be_counted_is_not_called(
        self, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(*arguments: Any, **options: Any) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("lookahead_ray.evaluate.judges.call_quota.replacing", full)
        quota = RunQuota(str(tmp_path / "run"))
        with pytest.raises(StoreError, match="No space left"):
            quota.take("llm-1", 16, 100)
        judge = build_judge(config(server, tmp_path), quota)
        assert {row.verdict for row in judge.judged(make_record(1).generations)} == {"unjudged"}
        assert server.requests == []

    def test_several_judges_of_one_run_keep_it_together(self, server: Server, tmp_path: Path) -> None:
        quota = LocalQuota()
        settings = config(server, tmp_path, max_calls=30)
        rows = make_record(1, prompts=20).generations
        judges = [build_judge(settings, quota) for _ in range(3)]
        found = [
            [row.verdict for row in judge.judged([_changed(row, number) for row in rows])]
            for number, judge in enumerate(judges)
        ]
        assert len(server.requests) == 30
        assert sum(verdicts.count("unjudged") for verdicts in found) == 3 * 40 - 30


def _changed(row: Generation, number: int) -> Generation:
    return replace(row, answer=f"{row.prompt_id} of trial {number}")
