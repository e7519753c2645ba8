"""Reading GSM8K: verbatim rows from a file or the hub, the two protocols, and precise errors."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from lookahead_ray.config.task import Gsm8kTask
from lookahead_ray.data.example import SYSTEM_PROMPT, Example
from lookahead_ray.data.readers import read_rows
from lookahead_ray.data.tasks.final_number import exact_match, paper_answer, paper_exact_match
from lookahead_ray.data.tasks.gsm8k import examples, load_gsm8k
from lookahead_ray.errors import DataError
from tests.data.sources import FakeDatasetsError, fake_datasets, shared, write_jsonl

ENDING = 'field answer must end in "#### N" with a number N'
GOOD = {"question": " How many?  ", "answer": "1 + 1 = <<1+1=2>>2\n#### 2"}
ALL = {"train_examples": None, "test_examples": None}


def read(path: Path | str) -> list[Example]:
    return examples(read_rows(path))


def test_rows_are_verbatim_and_in_order(tmp_path: Path) -> None:
    odd = {"question": "Line\u2028break and caf\u00e9?", "answer": "#### 3 ", "extra": 1}
    path = write_jsonl(tmp_path / "rows.jsonl", [GOOD, json.dumps(odd, ensure_ascii=False)])
    assert read(path) == [
        Example(SYSTEM_PROMPT, GOOD["question"], GOOD["answer"]),
        Example(SYSTEM_PROMPT, "Line\u2028break and caf\u00e9?", "#### 3 "),
    ]
    assert SYSTEM_PROMPT == "You are a helpful assistant."


@pytest.mark.parametrize(
    ("line", "rule", "got"),
    [
        ({"answer": "#### 1"}, "field question must be present", "fields ['answer']"),
        ({"question": "?"}, "field answer must be present", "fields ['question']"),
        ({"question": 5, "answer": "#### 1"}, "field question must be a string that is not blank", "5"),
        ({"question": "?", "answer": None}, "field answer must be a string that is not blank", "None"),
        ({"question": "", "answer": "#### 1"}, "field question must be a string that is not blank", "''"),
        ({"question": "?", "answer": " \n"}, "field answer must be a string that is not blank", "' \\n'"),
        ({"question": "\ud800", "answer": "#### 1"}, "field question must have no lone surrogate", "'\\ud8"),
        ({"question": "?", "answer": "It is 7."}, ENDING, "'It is 7.'"),
        ({"question": "?", "answer": "7\n#### x"}, ENDING, "'7\\n#### x'"),
        ({"question": "?", "answer": "<think>#### 1</think>One."}, ENDING, "'<think>#### 1</think>One.'"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named(tmp_path: Path, line: object, rule: str, got: str) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", [GOOD, line, GOOD])
    with pytest.raises(DataError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: line 2: {rule}, got {got}")
    assert "\n" not in message
    assert len(message) < len(path) + 200


class TestHub:
    def test_no_path_asks_for_both_splits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        test = {"question": "Other?", "answer": "#### 4"}
        calls = fake_datasets(monkeypatch, {"train": [GOOD], "test": [test]})
        task = load_gsm8k(Gsm8kTask(name="gsm8k", revision="abc", **ALL))
        assert task.train == [Example(SYSTEM_PROMPT, GOOD["question"], GOOD["answer"])]
        assert task.test == [Example(SYSTEM_PROMPT, "Other?", "#### 4")]
        assert calls == [("openai/gsm8k", "main", split, "abc") for split in ("train", "test")]

    def test_rows_are_checked_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fake_datasets(monkeypatch, [GOOD, {"question": "?", "answer": "7"}])
        with pytest.raises(DataError, match=r"^openai/gsm8k/main/train: row 2: field answer must end in"):
            load_gsm8k(Gsm8kTask(name="gsm8k"))

    @pytest.mark.parametrize(
        "error", [ConnectionError("no\nnet"), ValueError("no cache"), FakeDatasetsError("x")]
    )
    def test_unreachable_is_a_data_error(self, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
        fake_datasets(monkeypatch, error)
        with pytest.raises(DataError, match=r"^openai/gsm8k/main/train: path: must be on the hub") as caught:
            load_gsm8k(Gsm8kTask(name="gsm8k"))
        assert "\n" not in str(caught.value)
        assert caught.value.__cause__ is error


class TestProtocols:
    """The published code's reading of an answer and the corrected one, on the same answers."""

    @pytest.mark.parametrize(
        ("prediction", "paper", "fixed"),
        [
            ("1 + 1 = 2\n#### 1234", 1.0, 1.0),
            ("#### 1,234", 1.0, 1.0),
            ("#### 7\nNo:\n####  1,2,3,4 ", 1.0, 1.0),  # commas are dropped everywhere
            ("#### 1234.", 0.0, 1.0),
            ("#### 1234.0", 0.0, 1.0),
            ("#### $1234", 0.0, 1.0),
            ("#### 1234 apples", 0.0, 1.0),
            ("#### 1234\n\nQ: And now?", 0.0, 1.0),
            ("The answer is 1234.", None, 1.0),
            ("The answer is 99.", None, 0.0),
            ("####", 0.0, None),
            ("no idea", None, None),
            ("", None, None),
        ],
    )
    def test_golden(self, prediction: str, paper: float | None, fixed: float | None) -> None:
        reference = "600 + 634 = 1234\n#### 1,234"
        assert paper_exact_match(prediction, reference) == paper
        assert exact_match(prediction, reference) == fixed

    def test_the_configuration_chooses(self, tmp_path: Path) -> None:
        rows = [{"question": f"{n}?", "answer": f"#### {n}"} for n in range(4)]
        path = write_jsonl(tmp_path / "rows.jsonl", rows)
        sizes = {"train_examples": 2, "test_examples": 2, "train_path": path}
        by_default, paper = (
            load_gsm8k(Gsm8kTask(name="gsm8k", **sizes, **more)) for more in ({}, {"protocol": "paper"})
        )
        assert by_default.score("It is 3.", "#### 3") == 1.0
        assert paper.score("It is 3.", "#### 3") is None
        assert by_default.data_hash == paper.data_hash

    def test_decimal_commas(self, tmp_path: Path) -> None:
        rows = [{"question": f"{n}?", "answer": f"#### 1.00{n},5"} for n in range(4)]
        path = write_jsonl(tmp_path / "rows.jsonl", rows)
        settings = {"train_examples": 2, "test_examples": 2, "train_path": path}
        task = load_gsm8k(Gsm8kTask(name="gsm8k", decimal_comma=True, **settings))
        assert task.score("Das sind 1.003,5 kg.", "#### 1.003,5") == 1.0
        assert task.score("Das sind 1003.5 kg.", "#### 1.003,5") == 1.0
        assert (
            "decimal_comma" not in Gsm8kTask(name="gsm8k").model_dump()
        )  # runs of before have no such field
        with pytest.raises(ValidationError, match="decimal_comma must be false with protocol: paper"):
            Gsm8kTask(name="gsm8k", decimal_comma=True, protocol="paper")

    def test_a_reference_without_an_answer_is_refused(self) -> None:
        for reference in ("It is 3.", "####", "#### ,"):
            with pytest.raises(DataError, match="must hold text after ####"):
                paper_exact_match("#### 3", reference)


@pytest.mark.shared
class TestRealData:
    @pytest.mark.parametrize(("name", "count"), [("train", 7473), ("test", 1319)])
    def test_all_rows_load_and_score_against_themselves(self, name: str, count: int) -> None:
        rows = read(shared(f"gsm8k/{name}.jsonl"))
        assert len(rows) == count
        for row in rows:
            assert exact_match(row.answer, row.answer) == paper_exact_match(row.answer, row.answer) == 1.0

    def test_the_papers_label_is_a_plain_number(self) -> None:
        # The evaluation's labels are the matches of "#### number"; ours must be the same strings.
        labels = [paper_answer(row.answer) or "" for row in read(shared("gsm8k/test.jsonl"))]
        assert all(label.removeprefix("-").replace(".", "", 1).isdigit() for label in labels)

    def test_the_papers_sizes(self) -> None:
        paths = {
            "train_path": shared("gsm8k/train.jsonl"),
            "test_path": shared("gsm8k/test.jsonl"),
        }
        task = load_gsm8k(Gsm8kTask(name="gsm8k", protocol="paper", **paths, **ALL))
        assert (len(task.train), len(task.test)) == (7473, 1319)
