"""Previews of single rows as other trainers store them, for `datasets.map` and for files.

    {"instruction": "Add.", "input": "3 and 4", "output": "7"}                        Alpaca
    {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}
    {"conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}]}   ShareGPT
    {"prompt": "…", "completion": "…"}                        texts, or lists of messages, as in TRL
    {"input": "…", "output": "…"}, {"question": "…", "answer": "…"}, and other pairs of `PAIRS`

Only the user's text and the answer change; other fields and messages stay as they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, Literal, NamedTuple

from lookahead_ray.config.preview import PreviewConfig, TruePreview
from lookahead_ray.data.conversations import ROLES, is_messages, list_of_messages
from lookahead_ray.data.rows import plain_text, quote, unicode_text
from lookahead_ray.errors import ConfigError, DataError
from lookahead_ray.preview.apply import Added, additions

Turns = Literal["last", "all"]
"""Which answers of a chat get a preview."""

Path = tuple[str | int, ...]
"""Keys and indices that lead to a text in a row."""

LISTS = ("messages", "conversations")
PAIRS = (
    ("input", "output"),
    ("question", "answer"),
    ("instruction", "output"),
    ("instruction", "response"),
    ("prompt", "response"),
    ("query", "response"),
)
"""Names of the user's text and the answer; the first pair that a row has is used."""


class Place(NamedTuple):
    """Where a row holds a user's text and the answer to it."""

    prompt: Path
    answer: Path


def preview_row(
    row: Mapping[str, Any], preview: PreviewConfig, tokenizer: Any = None, turns: Turns = "last"
) -> dict[str, Any]:
    """Return a copy of `row` with the preview; see the module for the layouts.

    For `datasets.map`: `data.map(preview_row, fn_kwargs={"preview": preview, "tokenizer": tokenizer})`.

    Args:
        tokenizer: of the model to be trained; needed by the true preview only.
        turns: `all` gives every answer of a chat a preview, `last` only the last one.

    Raises:
        ConfigError: a true preview without a tokenizer.
        DataError: the row has none of the layouts, or no text where one is needed; or a lone surrogate in an
            answer that a true preview shows.
        ModelError: as `additions`.
    """
    return previewed_rows([row], preview, tokenizer, turns)[0]


def previewed_rows(
    rows: Sequence[Mapping[str, Any]], preview: PreviewConfig, tokenizer: Any = None, turns: Turns = "last"
) -> list[dict[str, Any]]:
    """Return `preview_row` of each row, in less time. Raises as it does; errors name the row, from 1."""
    if isinstance(preview, TruePreview) and tokenizer is None:
        raise ConfigError("tokenizer: must be given for a true preview, got None")
    copies = [deepcopy(dict(row)) for row in rows]
    places = [(row, place) for number, row in enumerate(copies, 1)
              for place in _tokenizable(row, f"row {number}", preview, turns)]  # fmt: skip
    answers = [text_at(row, place.answer) for row, place in places]
    for (row, place), added in zip(places, additions(answers, preview, tokenizer), strict=True):
        add(row, place, added)
    return copies


def places_of(row: dict[str, Any], where: str, turns: Turns = "last") -> list[Place]:
    """Return the places of a row's answers that get a preview; numbers in it become text, and JSON text or
    columns of messages a list.

    Raises DataError, which begins with `where`.
    """
    for name in (*LISTS, "prompt", "completion"):
        if not isinstance(row.get(name), list) and is_messages(row.get(name)):
            row[name] = list_of_messages(row[name])
    for name in LISTS:
        if isinstance(row.get(name), list):
            return _in_messages(row[name], (name,), where, turns)
    if "prompt" in row and "completion" in row:
        return [_in_prompt_and_completion(row, where)]
    for name in {name for names in PAIRS for name in names} & row.keys():
        value = row[name]
        if value is not None and not isinstance(value, str) and (text := plain_text(value)) is not None:
            row[name] = text  # a number, true or false
    pair = next((pair for pair in PAIRS if all(isinstance(row.get(name), str) for name in pair)), None)
    if pair is None and (known := next((pair for pair in PAIRS if {*pair} <= row.keys()), None)):
        name = next(name for name in known if not isinstance(row[name], str))
        raise DataError(f"{where}: field {name} must be text, got {quote(row[name])}")
    if pair is None:
        pairs = ", ".join("/".join(names) for names in PAIRS)
        rule = f"the row must have messages, conversations, prompt/completion, or one of the pairs {pairs}"
        raise DataError(f"{where}: {rule}; got the fields {quote(list(row))}")
    prompt, answer = pair
    if prompt == "input" and not row["input"].strip() and _has_text(row, "instruction"):
        prompt = "instruction"  # Alpaca without an input
    elif prompt == "instruction":
        # with another name of the answer, or of the input (Dolly's context), which comes last
        prompt = next((name for name in ("input", "context") if _has_text(row, name)), prompt)
    return [Place((prompt,), (answer,))]


def _tokenizable(row: dict[str, Any], where: str, preview: PreviewConfig, turns: Turns) -> list[Place]:
    """Return `places_of`. Raises DataError for an answer to be tokenised that is no Unicode."""
    places = places_of(row, where, turns)
    if isinstance(preview, TruePreview):
        for place in places:
            unicode_text(f"{where}: field {'.'.join(map(str, place.answer))}", text_at(row, place.answer))
    return places


def text_at(row: Any, path: Path) -> str:
    """Return the text at a path that `places_of` found."""
    for key in path:
        row = row[key]
    return str(row)


def add(row: Any, place: Place, added: Added) -> None:
    """Change the row in place."""
    _set(row, place.prompt, text_at(row, place.prompt) + added.behind_instruction)
    _set(row, place.answer, added.before_answer + text_at(row, place.answer))


def _in_messages(messages: Sequence[Any], path: Path, where: str, turns: Turns) -> list[Place]:
    where = f"{where}: {'.'.join(map(str, path))}"
    found = list(_answered(messages, path, where))
    if not found:
        raise DataError(f"{where}: must hold an assistant's answer after a user's message, got none")
    return found if turns == "all" else found[-1:]


def _answered(messages: Sequence[Any], path: Path, where: str) -> Iterator[Place]:
    """Yield the places of each user's message that is followed by the assistant's text."""
    asked: Path | None = None
    for index, message in enumerate(messages):
        role = _role(message, f"{where}.{index}")
        if role == "user":
            asked = _text_path(message, (*path, index), last=True)
        elif role == "assistant" and asked is not None:
            answer = _text_path(message, (*path, index), last=False)
            if answer is not None:  # None: it only calls tools
                yield Place(asked, answer)
                asked = None


def _in_prompt_and_completion(row: Mapping[str, Any], where: str) -> Place:
    prompt, completion = row["prompt"], row["completion"]
    if isinstance(prompt, str) and isinstance(completion, str):
        return Place(("prompt",), ("completion",))
    if isinstance(prompt, list) and isinstance(completion, list):
        asked = [_text_path(message, ("prompt", index), last=True) for index, message in enumerate(prompt)
                 if _role(message, f"{where}: prompt.{index}") == "user"]  # fmt: skip
        answers = [_text_path(message, ("completion", index), last=False)
                   for index, message in enumerate(completion)
                   if _role(message, f"{where}: completion.{index}") == "assistant"]  # fmt: skip
        if asked and asked[-1] is not None and answers and answers[0] is not None:
            return Place(asked[-1], answers[0])
    rule = "prompt and completion must be two texts, or lists with a user's and an assistant's message"
    raise DataError(f"{where}: {rule}, got {quote(prompt)} and {quote(completion)}")


def _role(message: Any, where: str) -> str | None:
    """Return user or assistant; None for messages that stay as they are, such as a tool's."""
    name = message.get("role", message.get("from")) if isinstance(message, Mapping) else None
    if not isinstance(name, str):
        raise DataError(f"{where}: must be a message with a role, got {quote(message)}")
    role = ROLES.get(name.lower())
    return role if role in ("user", "assistant") else None


def _text_path(message: Mapping[str, Any], path: Path, last: bool) -> Path | None:
    """Return the path to the message's text, or to its last or first part that is text, if any."""
    key = "content" if "content" in message else "value"
    content = message.get(key)
    if isinstance(content, str):
        return (*path, key) if content.strip() else None
    parts = list(enumerate(content)) if isinstance(content, list) else []
    for index, part in reversed(parts) if last else parts:
        if isinstance(part, Mapping) and isinstance(part.get("text"), str):
            return (*path, key, index, "text")
    return None


def _set(row: Any, path: Path, text: str) -> None:
    for key in path[:-1]:
        row = row[key]
    row[path[-1]] = text


def _has_text(row: Mapping[str, Any], field: str) -> bool:
    value = row.get(field)
    return isinstance(value, str) and bool(value.strip())
