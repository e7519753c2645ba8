"""Previews of rows in the layouts of other trainers."""

import csv
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from lookahead_ray.config.preview import NoPreview, TruePreview, VirtualPreview
from lookahead_ray.errors import ConfigError, DataError
from lookahead_ray.preview import preview_row, previewed_rows
from lookahead_ray.preview.rewrite_file import rewrite
from tests.tiny import make_tokenizer

VIRTUAL = VirtualPreview(strategy="virtual", prefix="First: ", connector=" Start: ")
TRUE = TruePreview(strategy="true", length_tokens=2, connector=" Start: ")


def chat(*texts: str) -> list[dict[str, Any]]:
    return [{"role": ("user", "assistant")[index % 2], "content": text} for index, text in enumerate(texts)]


CASES: dict[str, tuple[dict[str, Any], tuple[tuple[Any, ...], str], tuple[tuple[Any, ...], str]]] = {
    "alpaca": (
        {"instruction": "Name a bird.", "input": "", "output": "Owl."},
        (("instruction",), "Name a bird."),
        (("output",), "Owl."),
    ),
    "alpaca without input": (
        {"instruction": "Name a bird.", "output": "Owl.", "input": None},
        (("instruction",), "Name a bird."),
        (("output",), "Owl."),
    ),
    "alpaca with input": (
        {"instruction": "Double it.", "input": "21", "output": "42 it is."},
        (("input",), "21"),
        (("output",), "42 it is."),
    ),
    "another name of the answer": (
        {"instruction": "Double it.", "input": "21", "response": "42 it is."},
        (("input",), "21"),
        (("response",), "42 it is."),
    ),
    "published": (
        {"input": "Name a bird.", "output": "Owl."},
        (("input",), "Name a bird."),
        (("output",), "Owl."),
    ),
    "question": (
        {"id": 4, "question": "1 + 1?", "answer": 2},
        (("question",), "1 + 1?"),
        (("answer",), "2"),
    ),
    "messages": (
        {"messages": [{"role": "system", "content": "Be brief."}, *chat("Hi.", "Hello.", "Bird?", "Owl.")]},
        (("messages", 3, "content"), "Bird?"),
        (("messages", 4, "content"), "Owl."),
    ),
    "sharegpt": (
        {"conversations": [{"from": "human", "value": "Bird?"}, {"from": "gpt", "value": "Owl."}]},
        (("conversations", 0, "value"), "Bird?"),
        (("conversations", 1, "value"), "Owl."),
    ),
    "parts": (
        {"messages": [
            {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Bird?"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "Owl."}]},
        ]},
        (("messages", 0, "content", 1, "text"), "Bird?"),
        (("messages", 1, "content", 0, "text"), "Owl."),
    ),
    "prompt": (
        {"prompt": "Bird?", "completion": "Owl."},
        (("prompt",), "Bird?"),
        (("completion",), "Owl."),
    ),
    "prompt of messages": (
        {"prompt": chat("Bird?"), "completion": [{"role": "assistant", "content": "Owl."}]},
        (("prompt", 0, "content"), "Bird?"),
        (("completion", 0, "content"), "Owl."),
    ),
}  # fmt: skip


def at(row: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        row = row[key]
    return row


@pytest.mark.parametrize("name", CASES)
def test_each_layout_gets_a_preview_at_its_place(name: str) -> None:
    row, (prompt, asked), (answer, said) = CASES[name]
    before = deepcopy(row)
    virtual = preview_row(row, VIRTUAL)
    assert at(virtual, prompt) == f"{asked} Start: First: "
    assert at(virtual, answer) == f"First: {said}"
    true = preview_row(row, TRUE, make_tokenizer())
    assert at(true, prompt).startswith(f"{asked} Start: ")
    assert said.startswith(at(true, prompt).removeprefix(f"{asked} Start: "))
    assert at(true, answer) == said
    assert row == before  # the original is not changed
    assert row.keys() == virtual.keys() == true.keys()


def test_all_turns_or_the_last() -> None:
    row = {"messages": chat("Hi.", "Hello.", "Bird?", "Owl.", "Thanks.")}
    last, both = preview_row(row, VIRTUAL), preview_row(row, VIRTUAL, turns="all")
    assert [m["content"] for m in last["messages"]] == [
        "Hi.", "Hello.", "Bird? Start: First: ", "First: Owl.", "Thanks."
    ]  # fmt: skip
    assert [m["content"] for m in both["messages"]][:2] == ["Hi. Start: First: ", "First: Hello."]


def test_messages_of_tools_stay_as_they_are() -> None:
    row = {
        "messages": [
            *chat("Weather?"),
            {"role": "assistant", "content": None, "tool_calls": [{"name": "weather"}]},
            {"role": "tool", "content": "Rain."},
            {"role": "assistant", "content": "It rains."},
        ]
    }
    found = preview_row(row, VIRTUAL)["messages"]
    assert found[1:3] == row["messages"][1:3]
    assert (found[0]["content"], found[3]["content"]) == ("Weather? Start: First: ", "First: It rains.")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "All in one."}, r"row 1: the row must have messages.*got the fields \['text'\]"),
        ({"messages": chat("Bird?")}, r"row 1: messages: must hold an assistant's answer"),
        ({"messages": ["Bird?"]}, r"messages\.0: must be a message with a role, got 'Bird\?'"),
        ({"prompt": "Bird?", "completion": None}, r"prompt and completion must be two texts"),
        ({"prompt": "Bird?", "completion": [{"role": "assistant", "content": "Owl."}]}, "must be two texts"),
    ],
)
def test_rows_without_an_answer_are_refused(row: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        preview_row(row, VIRTUAL)


def test_a_true_preview_needs_a_tokenizer() -> None:
    with pytest.raises(ConfigError, match="tokenizer: must be given"):
        preview_row({"prompt": "a", "completion": "b"}, TRUE)


def test_no_preview_changes_nothing() -> None:
    rows = [row for row, _, _ in CASES.values() if isinstance(row.get("answer", ""), str)]
    assert previewed_rows(rows, NoPreview()) == rows


@pytest.mark.parametrize("preview", [VIRTUAL, TRUE])
def test_files_get_the_same_rows(preview: Any, tmp_path: Path) -> None:
    rows = [row for row, _, _ in CASES.values()]
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    tokenizer = make_tokenizer()
    assert rewrite(source, target, preview, tokenizer, fields=None) == len(rows)
    written = [json.loads(line) for line in target.read_text().splitlines()]
    assert written == previewed_rows(rows, preview, tokenizer)


def test_rows_of_a_data_set_are_mapped() -> None:
    from datasets import Dataset

    data = Dataset.from_list([{"messages": chat("Bird?", "Owl.")}, {"messages": chat("Tree?", "Oak.")}])
    mapped = data.map(preview_row, fn_kwargs={"preview": VIRTUAL})
    assert mapped[1]["messages"][1]["content"] == "First: Oak."


def test_an_answer_that_no_tokenizer_takes_is_named() -> None:
    rows = [CASES["published"][0], {"input": "Name a bird.", "output": "\ud83e Owl"}]
    with pytest.raises(DataError, match=r"^row 2: field output must have no lone surrogate, got "):
        previewed_rows(rows, TRUE, make_tokenizer())
    assert previewed_rows(rows, VIRTUAL)[1]["output"] == "First: \ud83e Owl"


def test_columns_of_messages() -> None:
    messages = chat("Name a bird.", "Owl.")
    columns = {name: [message[name] for message in messages] for name in messages[0]}
    found = previewed_rows([{"messages": columns}], VIRTUAL)
    assert found == previewed_rows([{"messages": messages}], VIRTUAL)


def test_json_text_of_messages(tmp_path: Path) -> None:
    messages = chat("Name a bird.", "Owl.")
    row = {"messages": json.dumps(messages)}
    assert previewed_rows([row], VIRTUAL) == previewed_rows([{"messages": messages}], VIRTUAL)
    parts = {"prompt": json.dumps(messages[:1]), "completion": json.dumps(messages[1:])}
    found = preview_row(parts, VIRTUAL)
    assert found == preview_row({"prompt": messages[:1], "completion": messages[1:]}, VIRTUAL)
    source = tmp_path / "chats.csv"
    with source.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["messages"])
        writer.writeheader()
        writer.writerow(row)
    assert rewrite(source, tmp_path / "out.jsonl", VIRTUAL, None, None) == 1
    assert json.loads((tmp_path / "out.jsonl").read_text()) == preview_row({"messages": messages}, VIRTUAL)


def test_dollys_context_comes_last() -> None:
    row = {"instruction": "Add", "context": "3 and 4", "response": "7"}
    assert preview_row(row, VIRTUAL)["instruction"] == "Add"
    assert preview_row(row, VIRTUAL)["context"].startswith("3 and 4 ")
    assert preview_row({**row, "context": ""}, VIRTUAL)["instruction"].startswith("Add ")


def test_an_answer_that_is_no_text_is_named() -> None:
    with pytest.raises(DataError, match=r"^row 1: field answer must be text, got None"):
        preview_row({"question": "Q", "answer": None}, VIRTUAL)
