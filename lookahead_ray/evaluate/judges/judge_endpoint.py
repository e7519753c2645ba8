"""Calls of a judge's endpoint that are retried, counted, and ended once the endpoint is down."""

import os
import random
import threading
from collections.abc import Mapping
from typing import Any

from tenacity import RetryCallState, Retrying, retry_if_exception

from lookahead_ray.config.judge import LlmJudge
from lookahead_ray.errors import ConfigError, StoreError
from lookahead_ray.evaluate.judges.call_quota import CallQuota, LocalQuota
from lookahead_ray.evaluate.judges.chat_endpoint import CallError, ChatEndpoint
from lookahead_ray.evaluate.judges.circuit_breaker import CircuitBreaker, shared_breaker
from lookahead_ray.evaluate.judges.llm_request import LIMIT_REACHED, NOT_COUNTED, request_body
from lookahead_ray.evaluate.judges.registry import judge_id

INTERRUPTED = "interrupted"
CHECK_S = 30.0  # maximum duration of a call of `failure`
CHECKED_ON = ("How do I pick a lock?", "I can't help with that.")
BLOCK = 16  # calls that are requested from the quota at once


class JudgeEndpoint:
    """The endpoint of a judge, with its limits; any number of threads may call it.

    By default its limit of calls holds for the object's life, after `share_limits` for the run.
    """

    def __init__(self, config: LlmJudge) -> None:
        """Read the key. Raises ConfigError if it is not set or can't be sent."""
        self._config = config
        self._endpoint = ChatEndpoint(config.base_url, _headers(config.api_key_env), config.timeout_s)
        self._name = judge_id(config)
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._breaker = CircuitBreaker(config.patience_s)
        self._quota: CallQuota = LocalQuota()
        self._granted = 0  # calls that the quota has granted and that are not made yet
        self._calls = 0

    def share_limits(self, quota: CallQuota | None) -> None:
        """Count calls in `quota`, if given, and share the endpoint's state with this process's judges."""
        self._quota = quota or self._quota
        endpoint = (self._config.base_url, self._config.model)
        self._breaker = shared_breaker(endpoint, self._config.patience_s)

    @property
    def calls(self) -> int:
        """Return the number of calls, retries included."""
        return self._calls

    @property
    def down(self) -> CallError | None:
        """Return the failure after which no call is made; None while the endpoint is up."""
        return self._breaker.failure

    def begin(self) -> None:
        """Begin a batch of answers: an endpoint that was down is tried again, with one call."""
        self._breaker.begin()

    def stop(self) -> None:
        """End pauses and make no further call."""
        self._stopped.set()

    def end(self) -> None:
        """End a batch: give calls back that were not made."""
        with self._lock:
            if self._granted:
                self._quota.give_back(self._name, self._granted)
            self._granted = 0

    def failure(self, body: Mapping[str, Any]) -> CallError | None:
        """Return the failure of one call, without retries and not counted; None if it has a reply."""
        try:
            self._endpoint.chat(body, CHECK_S)
        except CallError as failure:
            return failure
        return None

    def reply(self, body: Mapping[str, Any]) -> str:
        """Return the endpoint's reply, after retries. Raises CallError."""
        retrying = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, CallError) and error.passes),
            wait=self._pause_s,
            stop=self._ends,
            sleep=self._rest,
            reraise=True,
        )
        try:
            return retrying(self._call, body)
        except CallError as failure:
            if failure.passes:
                self._breaker.give_up(failure)
            elif failure.status is not None and not failure.is_outage and self._refuses_all(failure):
                raise self._breaker.failure or failure from failure
            raise

    def _call(self, body: Mapping[str, Any]) -> str:
        self._take_call()
        try:
            with self._breaker.calling():
                return self._endpoint.chat(body)
        except CallError as failure:
            if failure.unsent:
                with self._lock:
                    self._calls, self._granted = self._calls - 1, self._granted + 1
            raise

    def _refuses_all(self, failure: CallError) -> bool:
        """Return whether the endpoint refuses a harmless answer in the same way; the breaker is open then."""
        try:
            self._call(request_body(self._config, *CHECKED_ON))
        except CallError as other:
            if other.status == failure.status:
                self._breaker.trip(CallError(other.reason, hopeless=True, status=other.status))
                return True
        return False

    def _pause_s(self, state: RetryCallState) -> float:
        """Return the pause before the next try: as the endpoint requests, or twice the last one."""
        failure = _failure_of(state)
        if failure.pause_s is not None:
            return failure.pause_s
        doublings = min(state.attempt_number - 1, 30)
        pause_s = self._config.backoff_s * 2.0**doublings * random.uniform(0.75, 1.25)
        return max(0.0, min(pause_s, self._config.max_pause_s, self._breaker.patience_left_s()))

    def _rest(self, seconds: float) -> None:
        self._stopped.wait(seconds)

    def _ends(self, state: RetryCallState) -> bool:
        """Return whether no further retry is due: the endpoint is down, or requests too long a pause."""
        if state.attempt_number > self._config.retries or self._breaker.failure is not None:
            return True
        return state.upcoming_sleep > min(self._config.max_pause_s, self._breaker.patience_left_s() + 1.0)

    def _take_call(self) -> None:
        with self._lock:
            if self._stopped.is_set():
                raise CallError(INTERRUPTED, unsent=True)
            if not self._granted:
                try:
                    self._granted = self._quota.take(self._name, BLOCK, self._config.max_calls)
                except StoreError as error:
                    raise CallError(NOT_COUNTED, unsent=True) from error
            if not self._granted:
                raise CallError(LIMIT_REACHED, unsent=True)
            self._granted, self._calls = self._granted - 1, self._calls + 1


def _failure_of(state: RetryCallState) -> CallError:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, CallError)
    return error


def _headers(variable: str | None) -> dict[str, str]:
    """Return the header with the key; messages never contain the key."""
    if variable is None:
        return {}
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(
            f"api_key_env: the environment variable {variable} must hold the key, it is not set"
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigError(
            f"api_key_env: the environment variable {variable} must hold one word of ASCII text"
        )
    return {"Authorization": f"Bearer {key}"}
