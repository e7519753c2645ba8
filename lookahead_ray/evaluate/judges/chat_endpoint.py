"""One call of an OpenAI-compatible chat-completions endpoint, with the standard library alone.

Redirects are not followed: they would send the key to another host. The endpoint's reply is untrusted: it is
read up to `MAX_REPLY_BYTES`, and no part of it is repeated in an error's reason.
"""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

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


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_OPENER = build_opener(_NoRedirect)


def chat(url: str, headers: Mapping[str, str], body: Mapping[str, Any], timeout_s: float) -> str:
    """Return the text of the endpoint's reply. Raises `CallError` for every failure."""
    data = json.dumps(body).encode()
    request = Request(url, data, {**headers, "Content-Type": "application/json"}, method="POST")  # noqa: S310
    deadline = time.monotonic() + timeout_s
    try:
        with _OPENER.open(request, timeout=timeout_s) as response:
            content = _read(response, deadline)
    except HTTPError as error:
        with error:
            raise _refused(error.code, error.headers.get("Retry-After")) from None
    except TimeoutError:
        raise CallError("timed out", passes=True) from None
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        what = "timed out" if isinstance(reason, TimeoutError) else NO_CONNECTION
        raise CallError(what, passes=True) from None
    try:
        text = json.loads(content)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        raise CallError("broken reply", passes=True) from None
    if not isinstance(text, str):
        raise CallError("reply without text")
    return text


def _read(response: HTTPResponse, deadline: float) -> bytes:
    parts: list[bytes] = []
    while part := response.read1(65_536):
        parts.append(part)
        if sum(map(len, parts)) > MAX_REPLY_BYTES:
            raise CallError("reply too long")
        if time.monotonic() > deadline:
            raise TimeoutError
    return b"".join(parts)


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
