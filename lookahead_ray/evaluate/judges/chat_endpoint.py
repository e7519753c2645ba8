"""Calls of an OpenAI-compatible chat-completions endpoint.

Redirects are not followed: they would send the key to another host. An endpoint on this machine is called
without a proxy. The endpoint's reply is untrusted: it is read up to `MAX_REPLY_BYTES`, and no part of it is
repeated in an error's reason; of a refusal only the names of request parameters are read.
"""

import json
import re
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from lookahead_ray.errors import ConfigError
from lookahead_ray.hardware.proxies import is_loopback

LOOPBACK = ("all://127.0.0.1", "all://localhost", "all://[::1]")
MAX_REPLY_BYTES = 1_000_000
NO_CONNECTION = "no connection"
TIMED_OUT = "timed out"
NO_TEXT = "reply without text"
CUT_TEXT = "reply without text, as it reached its limit of tokens"
MAY_PASS = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_HOPELESS = frozenset({301, 302, 303, 307, 308, 401, 402, 404, 405})  # every other call would fail as well
_INVALID = frozenset({400, 422})  # the endpoint's answer to a parameter that it does not accept
_ALWAYS_SENT = frozenset({"model", "messages"})
_TOO_LONG = re.compile(r"context|too long|too many (?:input|prompt) tokens", re.IGNORECASE)  # of one answer
_NOT_ACCEPTED = re.compile(
    r"support|unknown|unrecogni[sz]ed|unexpected|extra|deprecated|permitted|allowed|accept|invalid|only",
    re.IGNORECASE,
)


class CallError(Exception):
    """A failed call.

    `passes`: another try may help; `hopeless`: no other call can succeed either; `unsent`: it was not made.
    """

    def __init__(
        self,
        reason: str,
        *,
        passes: bool = False,
        hopeless: bool = False,
        unsent: bool = False,
        pause_s: float | None = None,
        status: int | None = None,
        parameters: tuple[str, ...] = (),
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.passes = passes
        self.hopeless = hopeless
        self.unsent = unsent
        self.pause_s = pause_s  # pause before the next try that the endpoint requests
        self.status = status  # of HTTP; None if there was no response
        self.parameters = parameters  # fields of the request that the endpoint refuses

    @property
    def is_outage(self) -> bool:
        """Return whether the failure says nothing about the answer that was to be judged."""
        return self.passes or self.hopeless or self.unsent


class ChatEndpoint:
    """An endpoint with open connections that its calls share; any number of threads may call it."""

    def __init__(self, base_url: str, headers: Mapping[str, str], timeout_s: float) -> None:
        """Connect to nothing yet. Raises ConfigError if a proxy in the environment can't be used."""
        self._url = f"{base_url}/chat/completions"
        self._timeout_s = timeout_s
        try:
            self._client = httpx2.Client(
                headers={**headers, "Accept-Encoding": "identity"},
                timeout=timeout_s,
                follow_redirects=False,
                limits=httpx2.Limits(max_connections=None),
                mounts=dict.fromkeys(LOOPBACK),
                trust_env=not is_loopback(base_url),  # a proxy that can't be used would be an error there too
            )
        except (ImportError, ValueError) as error:
            raise ConfigError(f"base_url: the proxy of the environment can't be used: {error}") from error

    def chat(self, body: Mapping[str, Any], longest_s: float | None = None) -> str:
        """Return the text of the endpoint's reply. Raises `CallError` for every failure.

        Args:
            longest_s: limit of this call's duration below `timeout_s`.
        """
        timeout_s = self._timeout_s if longest_s is None else min(self._timeout_s, longest_s)
        deadline = time.monotonic() + timeout_s
        try:
            with self._client.stream("POST", self._url, json=body, timeout=timeout_s) as response:
                if not response.is_success:
                    raise _refused(response, body, deadline)
                content = _read(response, deadline)
        except (httpx2.TimeoutException, TimeoutError):
            raise CallError(TIMED_OUT, passes=True) from None
        except (httpx2.HTTPError, OSError):
            raise CallError(NO_CONNECTION, passes=True) from None
        return _text(content)


def _text(content: bytes) -> str:
    """Return the text of the first choice, whose content is a text or a list of parts."""
    try:
        choice = json.loads(content)["choices"][0]
        text = choice["message"]["content"]
        cut = choice.get("finish_reason") == "length"
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        raise CallError("broken reply", passes=True) from None
    if isinstance(text, list):
        parts = [part.get("text") for part in text if isinstance(part, dict)]
        text = "".join(part for part in parts if isinstance(part, str))
    if not isinstance(text, str) or not text.strip():
        raise CallError(CUT_TEXT if cut else NO_TEXT)
    return text


def _read(response: httpx2.Response, deadline: float) -> bytes:
    content = bytearray()
    for part in response.iter_raw():  # not decompressed, so that a small reply can't become a large one
        content += part
        if len(content) > MAX_REPLY_BYTES:
            raise CallError("reply too long")
        if time.monotonic() > deadline:
            raise TimeoutError
    return bytes(content)


def _refused(response: httpx2.Response, body: Mapping[str, Any], deadline: float) -> CallError:
    status = response.status_code
    parameters: tuple[str, ...] = ()
    if status in _INVALID:
        try:
            parameters = _refused_parameters(_read(response, deadline), [*body])
        except (CallError, httpx2.HTTPError, OSError):
            parameters = ()  # the status alone is reported
    what = f"HTTP {status}"
    return CallError(
        f"{what}, as the endpoint refuses {' and '.join(parameters)}" if parameters else what,
        passes=status in MAY_PASS,
        hopeless=status in _HOPELESS or bool(parameters),
        pause_s=retry_after_s(response.headers.get("Retry-After")),
        status=status,
        parameters=parameters,
    )


def _refused_parameters(content: bytes, sent: Iterable[str]) -> tuple[str, ...]:
    """Return the fields of a request that an error refuses: that of its `param`, or those in its text.

    Empty for an error about one request's length, which may name the limit of tokens too.
    """
    fields = [name for name in sent if name not in _ALWAYS_SENT]
    text = content.decode("utf-8", "replace")
    if _TOO_LONG.search(text):
        return ()
    try:
        named = json.loads(text)["error"]["param"]
    except (ValueError, KeyError, TypeError, RecursionError):
        named = None
    if isinstance(named, str) and named:
        return tuple(name for name in fields if name == named)
    if not _NOT_ACCEPTED.search(text):
        return ()
    return tuple(name for name in fields if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text))


def retry_after_s(value: str | None) -> float | None:
    """Return the seconds in a Retry-After header, given as a number or a date; None if it is neither."""
    if value is None:
        return None
    if value.strip().isdecimal() and len(value) < 12:
        return float(value)
    try:
        then = parsedate_to_datetime(value)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return max((then - datetime.now(UTC)).total_seconds(), 0.0)
