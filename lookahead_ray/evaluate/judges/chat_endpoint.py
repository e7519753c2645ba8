"""Calls of an OpenAI-compatible chat-completions endpoint.

Redirects are not followed: they would send the key to another host. An endpoint on this machine is called
without a proxy. The endpoint's reply is untrusted: it is read up to `MAX_REPLY_BYTES`, and no part of it is
repeated in an error's reason.
"""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from lookahead_ray.errors import ConfigError

LOOPBACK = ("all://127.0.0.1", "all://localhost", "all://[::1]")
MAX_REPLY_BYTES = 1_000_000
NO_CONNECTION = "no connection"
_MAY_PASS = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_HOPELESS = frozenset({301, 302, 303, 307, 308, 401, 404, 405})  # every other call would fail as well


class CallError(Exception):
    """A failed call. `passes`: another try may help; `hopeless`: no other call can succeed either."""

    def __init__(
        self, reason: str, *, passes: bool = False, hopeless: bool = False, pause_s: float | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.passes = passes
        self.hopeless = hopeless
        self.pause_s = pause_s  # pause before the next try that the endpoint requests


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
            )
        except (ImportError, ValueError) as error:
            raise ConfigError(f"base_url: the proxy of the environment can't be used: {error}") from error

    def chat(self, body: Mapping[str, Any]) -> str:
        """Return the text of the endpoint's reply. Raises `CallError` for every failure."""
        deadline = time.monotonic() + self._timeout_s
        try:
            with self._client.stream("POST", self._url, json=body) as response:
                if not response.is_success:
                    raise _refused(response.status_code, response.headers.get("Retry-After"))
                content = _read(response, deadline)
        except (httpx2.TimeoutException, TimeoutError):
            raise CallError("timed out", passes=True) from None
        except (httpx2.HTTPError, OSError):
            raise CallError(NO_CONNECTION, passes=True) from None
        try:
            text = json.loads(content)["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError, RecursionError):
            raise CallError("broken reply", passes=True) from None
        if not isinstance(text, str):
            raise CallError("reply without text")
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


def _refused(status: int, retry_after: str | None) -> CallError:
    return CallError(
        f"HTTP {status}",
        passes=status in _MAY_PASS,
        hopeless=status in _HOPELESS,
        pause_s=retry_after_s(retry_after),
    )


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
