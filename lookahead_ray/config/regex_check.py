"""Check of extraction patterns: regular expressions with one group, checked before they are used."""

import re
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT)


def check_pattern(pattern: str) -> None:
    """Refuse a pattern that is invalid, does not have exactly one group, or may take exponential time.

    The last rule refuses a repeat of varying length inside a repeat, such as `(\\d+,?)+`: a text can be split
    between the two in many ways, and if the match fails at its end, the engine tries all of them. The rule
    also refuses some harmless patterns; `[\\d,]+` is equivalent without nesting. A pattern that passes can
    still be slow, so the search has a time limit as well (data/tasks/metrics.py).

    Raises:
        ValueError: one line that states the rule.
    """
    try:
        groups = re.compile(pattern).groups
        tree = _parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"must be a valid regular expression ({error}), got {pattern[:80]!r}") from error
    if groups != 1:
        raise ValueError(f"must have exactly one group, the answer, got {groups} in {pattern!r}")
    if _nested(tree, inside=False):
        hint = "(write [0-9,]+ for ([0-9]+,?)+)"
        raise ValueError(f"must not repeat a part that itself varies in length {hint}, got {pattern!r}")


def _nested(node: Any, inside: bool) -> bool:
    """Return whether sre's parse tree contains a repeat of varying length inside a repeat."""
    if isinstance(node, tuple) and len(node) == 2 and node[0] in _REPEATS:
        low, high, body = node[1]
        return (inside and low != high) or _nested(body, inside or high > 1)
    if isinstance(node, _parser.SubPattern):
        node = node.data
    return isinstance(node, list | tuple) and any(_nested(part, inside) for part in node)
