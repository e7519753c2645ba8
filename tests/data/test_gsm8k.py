"""Reading GSM8K: verbatim rows from a file or the hub, and errors that say where and what."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from lookahead_ray.data.answers import exact_match
from lookahead_ray.data.example import SYSTEM_PROMPT, Example
from lookahead_ray.data.gsm8k import load, read_jsonl
from lookahead_ray.errors import DataError

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "gsm8k"
ENDING = 'field answer must end in "#### N" with a number N'
GOOD = {"question": " How many?  ", "answer": "1 + 1 = <<1+1=2>>2\n#### 2"}


def write(path: Path, *lines: object) -> Path:
    path.write_text("".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines), "utf-8")
    return path


def test_rows_are_verbatim_and_in_order(tmp_path: Path) -> None:
    odd = {"question": "Line\u2028break and caf\u00e9?", "answer": "#### 3 ", "extra": 1}
    path = write(tmp_path / "rows.jsonl", GOOD, json.dumps(odd, ensure_ascii=False))
    expected = [
        Example(SYSTEM_PROMPT, GOOD["question"], GOOD["answer"]),
        Example(SYSTEM_PROMPT, "Line\u2028break and caf\u00e9?", "#### 3 "),
    ]
    assert read_jsonl(path) == read_jsonl(str(path)) == load(path, "train") == load(path, "test") == expected


def test_last_newline_and_carriage_returns_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    row = json.dumps(GOOD).encode()
    for content in (row, row + b"\n", row + b"\r\n"):
        path.write_bytes(content)
        assert len(read_jsonl(path)) == 1


@pytest.mark.parametrize(
    ("line", "rule", "got"),
    [
        ("{oops", "must be a JSON object", "'{oops'"),
        ("", "must be a JSON object", "''"),
        ("[" * 100_000, "must be a JSON object", "'[[[["),
        ("1" * 5_000, "must be a JSON object", "'1111"),
        ("[1]", "must be a JSON object", "[1]"),
        ("null", "must be a JSON object", "None"),
        ({"answer": "#### 1"}, "field question must be present", "fields ['answer']"),
        ({"question": "?"}, "field answer must be present", "fields ['question']"),
        ({"question": 5, "answer": "#### 1"}, "field question must be a string that is not blank", "5"),
        ({"question": "?", "answer": None}, "field answer must be a string that is not blank", "None"),
        ({"question": "", "answer": "#### 1"}, "field question must be a string that is not blank", "''"),
        ({"question": "?", "answer": " \n"}, "field answer must be a string that is not blank", "' \\n'"),
        ({"question": "\ud800", "answer": "#### 1"}, "field question must have no lone surrogate", "'\\ud8"),
        ({"question": "?", "answer": "It is 7."}, ENDING, "'It is 7.'"),
        ({"question": "?", "answer": "7\n#### x"}, ENDING, "'7\\n#### x'"),
    ],
)  # fmt: skip
def test_a_bad_line_is_named(tmp_path: Path, line: object, rule: str, got: str) -> None:
    path = write(tmp_path / "rows.jsonl", GOOD, line, GOOD)
    with pytest.raises(DataError) as caught:
        read_jsonl(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: line 2: {rule}, got {got}")
    assert "\n" not in message
    assert len(message) < len(str(path)) + 200


def test_bytes_that_are_no_utf8_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"question": "caf\xe9"}\n')
    with pytest.raises(DataError, match="line 1: must be a JSON object, got"):
        read_jsonl(path)


def test_files_without_rows(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.jsonl: path: must be an existing file, got nothing there$"):
        read_jsonl(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match=r": path: must be an existing file, got a folder$"):
        read_jsonl(tmp_path)
    for content in ("", "\n \n"):
        (tmp_path / "empty.jsonl").write_text(content)
        with pytest.raises(DataError, match=r"empty\.jsonl: path: must hold at least one row, got \d bytes$"):
            read_jsonl(tmp_path / "empty.jsonl")


class FakeDatasetsError(Exception):
    pass


def fake_datasets(
    monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, str]] | Exception
) -> list[tuple[str, ...]]:
    """Stand in for the `datasets` package; returns the list of calls it gets."""
    calls: list[tuple[str, ...]] = []

    def load_dataset(name: str, config: str, *, split: str) -> list[dict[str, str]]:
        calls.append((name, config, split))
        if isinstance(rows, Exception):
            raise rows
        return rows

    module = ModuleType("datasets")
    vars(module).update(
        load_dataset=load_dataset, exceptions=SimpleNamespace(DatasetsError=FakeDatasetsError)
    )
    monkeypatch.setitem(sys.modules, "datasets", module)
    return calls


def test_no_path_asks_the_hub_for_the_split(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = fake_datasets(monkeypatch, [GOOD])
    assert load(None, "test") == [Example(SYSTEM_PROMPT, GOOD["question"], GOOD["answer"])]
    assert calls == [("openai/gsm8k", "main", "test")]


def test_hub_rows_are_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_datasets(monkeypatch, [GOOD, {"question": "?", "answer": "7"}])
    with pytest.raises(DataError, match=r"^openai/gsm8k/main/train: line 2: field answer must end in"):
        load(None, "train")


@pytest.mark.parametrize(
    "error", [ConnectionError("no\nnet"), ValueError("no cache"), FakeDatasetsError("x")]
)
def test_an_unreachable_hub_is_a_data_error(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    fake_datasets(monkeypatch, error)
    with pytest.raises(DataError, match=r"^openai/gsm8k/main/train: path: must be on the hub") as caught:
        load(None, "train")
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is error


@pytest.mark.shared
def test_the_real_files_load_and_match_themselves() -> None:
    if not SHARED.is_dir():
        pytest.skip(f"the shared GSM8K files are not at {SHARED}")
    for split, count in (("train", 7473), ("test", 1319)):
        examples = read_jsonl(SHARED / f"{split}.jsonl")
        assert len(examples) == count
        assert all(exact_match(row.answer, row.answer) == 1.0 for row in examples)
