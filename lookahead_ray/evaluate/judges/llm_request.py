"""Requests of the judge `llm`, and what to set if an endpoint does not accept or answer them."""

import json
from collections.abc import Sequence
from typing import Any

from lookahead_ray.config.judge import LlmJudge
from lookahead_ray.evaluate.judges.chat_endpoint import (
    CUT_TEXT,
    MAY_PASS,
    NO_CONNECTION,
    NO_TEXT,
    TIMED_OUT,
    CallError,
)
from lookahead_ray.evaluate.judges.rubric import messages

NO_SCORE = "reply without a score"
UNFINISHED = "reply that ended inside its thoughts"
LIMIT_REACHED = "max_calls reached"
NOT_COUNTED = "calls can't be counted in the run"
LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
"""Names that endpoints have for the limit of a reply's tokens."""


def request_body(config: LlmJudge, prompt: str, answer: str) -> dict[str, Any]:
    """Return the JSON body that requests a score of `answer`."""
    body: dict[str, Any] = {"model": config.model, "messages": messages(prompt, answer), "temperature": 0}
    if config.max_reply_tokens is not None and not any(name in config.parameters for name in LIMITS):
        body["max_tokens"] = config.max_reply_tokens
    body |= config.parameters
    return {name: value for name, value in body.items() if value is not None}


def remedy(config: LlmJudge, failure: CallError) -> str:
    """Return one line that says which field to set after a failure that is the same for every answer."""
    url, reason = config.base_url, failure.reason
    if failure.parameters:
        return _without_parameters(config, failure.parameters)
    if failure.status in (401, 403):
        if config.api_key_env is None:
            return f"api_key_env: must name a variable with a key for {url}, which answers {reason}, got null"
        return f"api_key_env: {config.api_key_env} must hold a key that {url} accepts, got {reason}"
    if failure.status == 404:
        return f"base_url and model: {url} must have the model {config.model!r}, got {reason}"
    if reason == NO_CONNECTION:
        return f"base_url: must be an endpoint that can be reached, got no connection to {url}"
    if reason == TIMED_OUT:
        return f"base_url: must be an endpoint that answers within timeout_s, got no reply from {url}"
    if reason in (CUT_TEXT, UNFINISHED, NO_TEXT):
        got = f"got {json.dumps(config.max_reply_tokens)} and a {reason}"
        return f"max_reply_tokens: must leave room for the thoughts and the score of {config.model}, {got}"
    if reason == NO_SCORE:
        return f"model: {config.model} must end its reply with #thescore: and a number from 1 to 5, got none"
    if reason == LIMIT_REACHED:
        return f"max_calls: must be above the {config.max_calls} calls that the run has spent"
    if failure.passes or failure.status in MAY_PASS:
        return f"base_url: must be an endpoint that replies within patience_s, got {reason} from {url}"
    return f"base_url: {url} must be an endpoint for chat completions, got {reason}"


def _without_parameters(config: LlmJudge, refused: Sequence[str]) -> str:
    """Name `parameters` that leave out what is refused, and rename the limit of tokens."""
    needed: dict[str, Any] = {name: value for name, value in config.parameters.items() if name not in refused}
    for name in refused:
        if name == "max_tokens":
            needed["max_completion_tokens"] = config.parameters.get(name, config.max_reply_tokens)
        elif name in LIMITS:
            needed["max_tokens"] = config.parameters.get(name)
        else:
            needed[name] = None
    text = ", ".join(f"{name}: {json.dumps(value)}" for name, value in needed.items())
    return (
        f"parameters: {config.model} refuses {' and '.join(refused)}: set parameters: {{{text}}}, "
        f"got {json.dumps(config.parameters)}"
    )
