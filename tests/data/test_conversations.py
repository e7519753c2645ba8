"""Chats as lists of messages: shapes, roles, contents, and what is no chat."""

import json
from typing import Any

import pytest

from lookahead_ray.data.conversations import Turn, conversation, is_messages, read_messages
from lookahead_ray.errors import DataError

USER, REPLY = Turn("user", "Hi."), Turn("assistant", "Hello.")


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello.", "weight": 1}],
        [{"from": "human", "value": "Hi."}, {"from": "gpt", "value": "Hello."}],
        [
            {"role": "User", "content": [{"type": "text", "text": "Hi."}]},
            {"role": "model", "content": ["Hello."]},
        ],
        [
            {"role": "user", "content": "Hi.", "from": None, "value": None},
            {"from": "gpt", "value": "Hello.", "role": None},
        ],
        [
            {"role": "user", "content": " "},
            {"role": "user", "content": "Hi."},
            {"from": "bot", "content": "Hello."},
        ],
    ],
)
def test_shapes(messages: list[dict[str, Any]]) -> None:
    for value in (messages, json.dumps(messages), f" {json.dumps(messages, indent=1)}"):
        assert is_messages(value)
        assert read_messages(value, "f") == [USER, REPLY]


@pytest.mark.parametrize(
    "columns",
    [
        {"role": ["user", "assistant"], "content": ["Hi.", "Hello."]},
        {"from": ["human", "gpt"], "value": ["Hi.", "Hello."], "weight": None},
        {"content": [[{"type": "text", "text": "Hi."}], "Hello."], "role": ["user", "model"]},
    ],
)
def test_columns_as_datasets_stores_lists_of_objects(columns: dict[str, Any]) -> None:
    assert is_messages(columns)
    assert read_messages(columns, "f") == [USER, REPLY]


@pytest.mark.parametrize(
    "value", [{"role": ["user"], "content": []}, {"content": ["Hi."]}, {"role": [], "content": []}]
)
def test_columns_that_are_no_messages(value: object) -> None:
    assert not is_messages(value)


@pytest.mark.parametrize(
    "value", ["Hi.", "[1]", "[", "[{}]", [], [1], [{"text": "x"}], {"role": "user"}, None, 3]
)
def test_what_is_no_list_of_messages(value: object) -> None:
    assert not is_messages(value)


def test_parts_and_successive_messages_become_one_turn() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "image_url": None}]
    messages = [
        {"role": "user", "content": parts},
        {"role": "user", "content": 7},
        {"role": "gpt", "content": True},
    ]
    assert read_messages(messages, "f") == [Turn("user", "a\nb\n\n7"), Turn("assistant", "true")]


@pytest.mark.parametrize(
    ("message", "rule"),
    [
        ({"role": "tool", "content": "x"}, "the role must be system, user or assistant .*, got 'tool'"),
        ({"role": None, "content": "x"}, "the role must be .*, got None"),
        ({"role": "user", "content": {"a": 1}}, r"the content must be text, got \{'a': 1\}"),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": "x"}]},
            "the parts of a content must be text, got 'image_url'",
        ),
        ({"role": "user", "content": "\ud800"}, "must have no lone surrogate"),
        ({"role": "user", "text": "x"}, r"must have a field content or value, got fields \['role', 'text'\]"),
        ({"role": "assistant", "tool_calls": [{"id": "1"}]}, "must be text and call no tools, got "),
        ({"role": "assistant", "content": "Let me see.", "function_call": {"name": "f"}}, "must be text and"),
        ("Hi.", "must be an object with a role and a content, got 'Hi.'"),
        (None, "must be an object with a role and a content, got None"),
    ],
)
def test_messages_that_can_not_be_used(message: object, rule: str) -> None:
    with pytest.raises(DataError, match=f"^f: message 2:? {rule}"):
        read_messages([{"role": "user", "content": "Hi."}, message], "f")


@pytest.mark.parametrize(
    "value",
    [7, True, {"role": "user", "content": "Hi."}, "Hi.", "[{'role': user}]", "[{]"],
)
def test_values_that_are_no_list(value: object) -> None:
    with pytest.raises(DataError, match=r"^f must be a list of messages, or JSON text of one, got "):
        read_messages(value, "f")


@pytest.mark.parametrize("call", [None, [], {}])
def test_a_message_that_calls_no_tool(call: object) -> None:
    assert read_messages([{"role": "user", "content": "Hi.", "tool_calls": call}], "f") == [USER]


def test_conversations() -> None:
    system = Turn("system", "Be brief.")
    whole = conversation([system, USER, REPLY, USER], "f")
    assert (whole.system, whole.exchanges, whole.unanswered) == ("Be brief.", (("Hi.", "Hello."),), "Hi.")
    begun = conversation([REPLY, USER, REPLY], "f")
    assert (begun.opening, begun.exchanges, begun.unanswered) == (True, (("Hi.", "Hello."),), None)
    assert conversation([], "f").exchanges == ()
    with pytest.raises(DataError, match=r"^f: a system message must come first"):
        conversation([USER, system, REPLY], "f")


def test_pythons_notation_as_pandas_writes_it() -> None:
    text = str([{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}])
    assert is_messages(text)
    assert read_messages(text, "f") == [USER, REPLY]
    for other in ("[{'role': user}]", "[{'a': __import__('os')}]", "[{'a': 1}", "['Hi.']"):
        assert not is_messages(other)
