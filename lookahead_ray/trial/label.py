"""What a configuration is, in a few words."""

from collections.abc import Mapping
from typing import Any

from lookahead_ray.text import clean
from lookahead_ray.trial.record import Role

_LONGEST_PREFIX = 48  # characters shown


def label(config: Mapping[str, Any], role: Role = "search") -> str:
    """ "seed model", "vanilla", "no preview", "true, 6 tokens" or "virtual, “Let's solve this problem.”".

    `config` is a TrialConfig as JSON values; the two references are named by their role alone.
    """
    if role == "seed":
        return "seed model"
    if role == "vanilla":
        return "vanilla"
    preview = config["preview"]
    match preview["strategy"]:
        case "true":
            return f"true, {tokens(preview['length_tokens'])}"
        case "virtual":
            return f"virtual, {quoted(preview['prefix'])}"
        case _:
            return "no preview"


def tokens(count: int) -> str:
    """ "1 token", "6 tokens"."""
    return f"{count} token" if count == 1 else f"{count} tokens"


def quoted(prefix: str) -> str:
    """The phrase on one line in curly quotes, cut where it is long, without unprintable characters."""
    line = clean(prefix)
    return f"“{line if len(line) <= _LONGEST_PREFIX else line[: _LONGEST_PREFIX - 1].rstrip() + '…'}”"
