"""Files under a preview, against the bytes that the published script wrote for the same options."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from lookahead_ray.config.preview import TruePreview, VirtualPreview
from lookahead_ray.errors import DataError
from lookahead_ray.preview import rewrite_file as module
from lookahead_ray.preview.rewrite_file import Fields, rewrite
from tests.preview.bpe import KINDS

ROWS = [
    {"id": 1.50, "question": "Preis?", "answer": "Fünf € und 12", "more": {"a": [], "b": [1, {"c": None}]}},
    {"answer": "12 😀/\n", "question": "", "extra": float("nan")},
]
VIRTUAL = VirtualPreview(strategy="virtual", prefix="So: ", connector=" | ")
QUESTIONS = Fields("question", "answer")

LINES_OUT = (
    rb'{"id": 1.5, "question": "Preis? | So: ", "answer": "So: F\u00fcnf \u20ac und 12", '
    rb'"more": {"a": [], "b": [1, {"c": null}]}}'
    b"\n"
    rb'{"answer": "So: 12 \ud83d\ude00/\n", "question": " | So: ", "extra": NaN}'
    b"\n"
)
ARRAY_OUT = """[
    {
        "id": 1.5,
        "question": "Preis? | So: ",
        "answer": "So: Fünf € und 12",
        "more": {
            "a": [],
            "b": [
                1,
                {
                    "c": null
                }
            ]
        }
    },
    {
        "answer": "So: 12 😀/\\n",
        "question": " | So: ",
        "extra": NaN
    }
]""".encode()


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return KINDS["smollm"]()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_text("\n\n".join(map(json.dumps, ROWS)))
    return path


def changed(source: Path, suffix: str = ".jsonl", **arguments: Any) -> bytes:
    target = source.with_name(f"out{suffix}")
    rewrite(source, target, **({"preview": VIRTUAL, "tokenizer": None, "fields": QUESTIONS} | arguments))
    return target.read_bytes()


def test_virtual_files_are_those_of_the_published_script(source: Path) -> None:
    assert changed(source) == LINES_OUT
    assert changed(source, ".json") == ARRAY_OUT
    array = source.with_name("in.json")
    array.write_text(json.dumps(ROWS, indent=1))
    assert changed(array) == LINES_OUT
    assert changed(array, ".json") == ARRAY_OUT


def test_empty_files_are_those_of_the_published_script(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text("\n")
    assert changed(source) == b""
    assert changed(source, ".json") == b"[]"


def test_one_field_may_be_both_as_in_the_published_script(source: Path) -> None:
    source.write_text('{"x": "a"}')
    assert changed(source, fields=Fields("x", "x")) == b'{"x": "So: a | So: "}\n'


@pytest.mark.parametrize(
    ("protocol", "shown"),
    [("paper", ["F\N{REPLACEMENT CHARACTER}", "12"]), ("fixed", ["Fü", "12"])],
)
def test_true_files(source: Path, tokenizer: Any, protocol: str, shown: list[str]) -> None:
    preview = TruePreview.model_validate({"strategy": "true", "length_tokens": 2, "protocol": protocol})
    rows = [json.loads(line) for line in changed(source, preview=preview, tokenizer=tokenizer).splitlines()]
    before = [row["question"] for row in ROWS]
    assert [row["question"] for row in rows] == [
        f"{text} The answer begins with: {more}" for text, more in zip(before, shown, strict=True)
    ]
    assert [row["answer"] for row in rows] == [row["answer"] for row in ROWS]


def test_formats_may_be_given(source: Path) -> None:
    named_otherwise = source.rename(source.with_name("train.json"))
    assert changed(named_otherwise, ".txt", source_format="jsonl", target_format="json") == ARRAY_OUT


def test_batches_do_not_show(source: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source.write_text("\n".join(json.dumps({"question": "q", "answer": f"{n} apples"}) for n in range(50)))
    preview = TruePreview(strategy="true", length_tokens=1)
    whole = changed(source, preview=preview, tokenizer=tokenizer)
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(module, "BATCH_ROWS", 8)
    report = lambda *done: told.append(done)  # noqa: E731
    assert changed(source, preview=preview, tokenizer=tokenizer, progress=report) == whole
    assert [rows for rows, _ in told] == [8, 16, 24, 32, 40, 48, 50]
    assert told[-1][1] == source.stat().st_size
    monkeypatch.setattr(module, "BATCH_CHARACTERS", 1)
    assert changed(source, preview=preview, tokenizer=tokenizer) == whole


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"question": "q"}',
            r"in.jsonl: line 2: field 'answer' must be present, got the fields \['question'\]",
        ),
        ('{"question": [5], "answer": "a"}', r"line 2: field 'question' must be text, .*, got \[5\]"),
        ('{"question": "q", "answer": null}', "line 2: field 'answer' must be text, .*, got None"),
        (r'{"question": "q", "answer": "\ud800"}', "line 2: field 'answer' must have no lone surrogate"),
        ("[]", r"line 2: must be a JSON object, got \[\]"),
    ],
)
def test_a_bad_row_leaves_no_file(source: Path, tokenizer: Any, line: str, message: str) -> None:
    source.write_text(f'{{"question": "q", "answer": "a"}}\n{line}\n')
    preview = TruePreview(strategy="true")
    old = source.with_name("out.jsonl")
    old.write_text("old")
    with pytest.raises(DataError, match=message):
        changed(source, preview=preview, tokenizer=tokenizer)
    assert old.read_text() == "old"
    assert sorted(path.name for path in source.parent.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_surrogates_pass_where_the_published_script_lets_them(source: Path) -> None:
    source.write_text(r'{"question": "\ud800", "answer": "a"}')
    assert changed(source) == rb'{"question": "\ud800 | So: ", "answer": "So: a"}' + b"\n"
    with pytest.raises(DataError, match="line 1: must have no lone surrogate to be written as JSON"):
        changed(source, ".json")


def test_a_target_that_can_not_be_is_refused(source: Path) -> None:
    def refused(target: Path, message: str) -> None:
        with pytest.raises(DataError, match=message):
            rewrite(source, target, VIRTUAL, None, QUESTIONS)

    before = source.read_bytes()
    link = source.with_name("link.jsonl")
    os.link(source, link)
    for same in (source, link, source.parent / "." / source.name):
        refused(same, "OUT and IN must be different files")
    folder = source.with_name("folder.jsonl")
    folder.mkdir()
    refused(folder, "OUT must be a file, got a folder")
    refused(source.parent / "no" / "out.jsonl", "OUT must be in a folder to write to")
    refused(source.with_name("out.csv"), "must be .json or .jsonl, got '.csv'")
    assert source.read_bytes() == before


def test_mode_and_links_of_the_target_stay(source: Path) -> None:
    real, link = source.with_name("real.jsonl"), source.with_name("out.jsonl")
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    assert changed(source) == LINES_OUT
    assert link.is_symlink()
    assert real.read_bytes() == LINES_OUT
    assert real.stat().st_mode & 0o777 == 0o640
