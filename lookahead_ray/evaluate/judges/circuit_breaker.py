"""A circuit breaker for an endpoint: once it is down, answers stop waiting for it.

Closed: calls are sent. It opens if an endpoint gives no reply for `patience_s` while calls fail, if answers
fail after all their retries `MOST_IN_A_ROW` times without a reply in between, or if no call can succeed.
Once an answer has failed, the others of the same batch get at most `patience_s` more.

Open: calls fail at once, unsent. A new batch (the next trial's answers) makes it half-open: one call is sent
alone, without retries; its reply closes the breaker, its failure opens it again.

So an endpoint that fails or hangs holds a batch for at most `patience_s` plus the duration of one call, and
every later batch for one call.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

from lookahead_ray.evaluate.judges.chat_endpoint import NO_CONNECTION, TIMED_OUT, CallError

MOST_IN_A_ROW = 8

_State = Enum("_State", "CLOSED OPEN HALF_OPEN PROBING")


class CircuitBreaker:
    """The state of one endpoint; any number of threads may use it."""

    def __init__(self, patience_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience_s = patience_s
        self._clock = clock
        self._changed = threading.Condition()
        self._state = _State.CLOSED
        self._failure: CallError | None = None  # that opened it
        self._replied_at_s = -math.inf  # the last reply
        self._failing_since_s: float | None = None  # begin of the first failed call since the last reply
        self._given_up = 0  # answers in a row
        self._lost_at_s: float | None = None  # when the first answer of the batch was given up

    @property
    def failure(self) -> CallError | None:
        """Return the failure that opened the breaker; None while it is closed."""
        with self._changed:
            return None if self._state is _State.CLOSED else self._failure

    def begin(self) -> None:
        """Begin a batch of answers: an open breaker becomes half-open."""
        with self._changed:
            self._lost_at_s = None
            if self._state is _State.OPEN:
                self._state = _State.HALF_OPEN

    def patience_left_s(self) -> float:
        """Return the seconds until a further failure opens the breaker."""
        with self._changed:
            if self._failing_since_s is None:
                return self._patience_s
            return self._patience_s - (self._clock() - self._failing_since_s)

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Send one call in the block; what it raises is noted.

        Raises:
            CallError: the breaker is open, and the call is `unsent`.
        """
        self._admit()
        begun_s = self._clock()
        try:
            yield
        except CallError as failure:
            self._note_failure(failure, begun_s)
            raise
        except BaseException:
            self._note_failure(CallError("interrupted", passes=True), begun_s)
            raise
        self._note_reply()

    def trip(self, failure: CallError) -> None:
        """Open the breaker: no call can succeed."""
        with self._changed:
            self._open(failure)

    def give_up(self, failure: CallError) -> None:
        """Note that an answer's last call failed."""
        with self._changed:
            self._lost_at_s = self._clock() if self._lost_at_s is None else self._lost_at_s
            self._given_up += failure.passes
            silent = self._replied_at_s == -math.inf
            never = failure.reason == NO_CONNECTION or (failure.reason == TIMED_OUT and silent)
            if never or self._given_up >= MOST_IN_A_ROW:
                self._open(failure)

    def _admit(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._state is not _State.PROBING)
            late = self._lost_at_s is not None and self._clock() - self._lost_at_s > self._patience_s
            if self._failure is not None and (self._state is _State.OPEN or late):
                opened = self._failure
                raise CallError(
                    opened.reason, unsent=True, status=opened.status, parameters=opened.parameters
                )
            if self._state is _State.HALF_OPEN:
                self._state = _State.PROBING

    def _note_failure(self, failure: CallError, begun_s: float) -> None:
        with self._changed:
            if not failure.passes and not failure.hopeless:  # the endpoint refused this one answer
                self._note_reply()
                return
            if self._failing_since_s is None:
                self._failing_since_s = max(begun_s, self._replied_at_s)
            impatient = self._clock() - self._failing_since_s >= self._patience_s
            self._failure = failure
            if failure.hopeless or impatient or self._state is _State.PROBING:
                self._open(failure)

    def _note_reply(self) -> None:
        with self._changed:
            self._replied_at_s = self._clock()
            self._failing_since_s, self._given_up = None, 0
            if self._state is _State.PROBING:
                self._state, self._failure = _State.CLOSED, None
                self._changed.notify_all()

    def _open(self, failure: CallError) -> None:
        self._state, self._failure = _State.OPEN, failure
        self._changed.notify_all()


_breakers: dict[tuple[str, ...], CircuitBreaker] = {}


def shared_breaker(endpoint: tuple[str, ...], patience_s: float) -> CircuitBreaker:
    """Return the breaker that this process's judges of `endpoint` share, from trial to trial."""
    return _breakers.setdefault((*endpoint, str(patience_s)), CircuitBreaker(patience_s))
