"""Chats as lists of messages, in the two shapes that are common:

    {"messages": [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]}
    {"conversations": [{"from": "human", "value": "Hi."}, {"from": "gpt", "value": "Hello."}]}

The first is OpenAI's, the second ShareGPT's. A content may also be a list of text parts, which become lines:
`[{"type": "text", "text": "Hi."}]`. A list may also be JSON text, or Python's, as in CSV files, or columns:
`{"role": ["user", "assistant"], "content": ["Hi.", "Hello."]}`.
"""

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lookahead_ray.data.example import Exchange
from lookahead_ray.data.rows import plain_text, quote, unicode_text
from lookahead_ray.errors import DataError

Speaker = Literal["system", "user", "assistant"]

ROLES: dict[str, Speaker] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
}
"""Role in a file, in lower case -> whose turn it is."""

_ROLE_KEYS = ("role", "from")
_CONTENT_KEYS = ("content", "value")
_CALL_KEYS = ("tool_calls", "function_call")
LONGEST_LITERAL = 1_000_000
"""Characters of a list in Python's notation that are read at most."""

_JOINT = "\n\n"  # between messages of one turn


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side says until the other side answers; never blank."""

    role: Speaker
    text: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """A chat from the user's first turn on: system prompt, exchanges, and a last question without answer.

    `opening` tells whether the assistant spoke before the user; that turn is left out.
    """

    system: str | None
    exchanges: tuple[Exchange, ...]
    unanswered: str | None = None
    opening: bool = False


def is_messages(value: object) -> bool:
    """Return whether the value is a list of messages, or JSON text of one."""
    value = list_of_messages(value)
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str | bytes)
        and bool(value)
        and all(isinstance(item, Mapping) and any(key in item for key in _ROLE_KEYS) for item in value)
    )


def read_messages(value: object, where: str) -> list[Turn]:
    """Return the turns of a list of messages; successive messages of one side are one turn, blank ones none.

    Raises:
        DataError: the value is no list of messages, or a message has another role, such as a tool's, calls
            tools, or has no content or one that is no text; `where` begins the message.
    """
    items = list_of_messages(value)
    if not isinstance(items, Sequence) or isinstance(items, str | bytes):
        raise DataError(f"{where} must be a list of messages, or JSON text of one, got {quote(value)}")
    turns: list[Turn] = []
    for number, item in enumerate(items, 1):
        turn = _turn(item, f"{where}: message {number}")
        if not turn.text.strip():
            continue
        if turns and turns[-1].role == turn.role:
            turns[-1] = Turn(turn.role, turns[-1].text + _JOINT + turn.text)
        else:
            turns.append(turn)
    return turns


def conversation(turns: Sequence[Turn], where: str) -> Conversation:
    """Return the turns as a conversation.

    Raises:
        DataError: a system turn comes after the first.
    """
    system = turns[0].text if turns and turns[0].role == "system" else None
    rest = list(turns[1:] if system is not None else turns)
    if any(turn.role == "system" for turn in rest):
        raise DataError(f"{where}: a system message must come first, got one after other messages")
    opening = bool(rest) and rest[0].role == "assistant"
    rest = rest[1:] if opening else rest
    texts = [turn.text for turn in rest]  # user and assistant alternate, and the user begins
    exchanges = tuple(zip(texts[::2], texts[1::2], strict=False))
    return Conversation(system, exchanges, texts[-1] if len(texts) % 2 else None, opening)


def _turn(item: object, where: str) -> Turn:
    if not isinstance(item, Mapping):
        raise DataError(f"{where}: must be an object with a role and a content, got {quote(item)}")
    name = next((item[key] for key in _ROLE_KEYS if item.get(key) is not None), None)
    role = ROLES.get(name.lower()) if isinstance(name, str) else None
    if role is None:
        rule = "the role must be system, user or assistant (in ShareGPT human or gpt)"
        raise DataError(f"{where}: {rule}, got {quote(name)}")
    if calls := next((item[key] for key in _CALL_KEYS if item.get(key)), None):
        # Without the call, what follows would seem to be about something else.
        raise DataError(f"{where}: must be text and call no tools, got {quote(calls)}")
    if not any(key in item for key in _CONTENT_KEYS):
        rule = f"must have a field {' or '.join(_CONTENT_KEYS)}"
        raise DataError(f"{where}: {rule}, got fields {quote(sorted(map(str, item)))}")
    content = next((item[key] for key in _CONTENT_KEYS if item.get(key) is not None), None)
    return Turn(role, unicode_text(where, _content(content, where)))


def _content(content: object, where: str) -> str:
    if isinstance(content, Sequence) and not isinstance(content, str | bytes):
        return "\n".join(_part(part, where) for part in content)
    text = plain_text(content)
    if text is None:
        raise DataError(f"{where}: the content must be text, got {quote(content)}")
    return text


def _part(part: object, where: str) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping) and part.get("type", "text") in ("text", "input_text", "output_text"):
        text = part.get("text")
        if isinstance(text, str):
            return text
    found = part.get("type", part) if isinstance(part, Mapping) else part
    raise DataError(f"{where}: the parts of a content must be text, got {quote(found)}")


def list_of_messages(value: object) -> object:
    """Return the list of messages that JSON text or an object of columns holds; other values as they are.

    Text that holds no list gives None.
    """
    if isinstance(value, str):
        return _from_json(value)
    if not isinstance(value, Mapping):
        return value
    columns = {name: column for name, column in value.items() if column is not None}
    if not all(_is_list(column) for column in columns.values()):
        return value
    if not any(key in columns for key in _ROLE_KEYS) or len({len(each) for each in columns.values()}) != 1:
        return value
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _from_json(text: str) -> list[object] | None:
    """Return the list that a JSON text holds; None if it holds none."""
    if not text.lstrip().startswith("["):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = _from_python(text)
    return value if isinstance(value, list) else None


def _from_python(text: str) -> object:
    """Return the value of a list of dictionaries as Python prints it, which pandas writes to CSV files."""
    if not text.lstrip().startswith(("[{'", '[{"')) or len(text) > LONGEST_LITERAL:
        return None
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
