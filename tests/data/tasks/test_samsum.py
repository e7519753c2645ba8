"""SAMSum: the published system prompt, user turn and stripping, from files or the hub."""

from pathlib import Path

import pytest

from lookahead_ray.config.task import SamsumTask
from lookahead_ray.data.example import Example
from lookahead_ray.data.hub import HubSplit, read_hub
from lookahead_ray.data.notes import collect_notes
from lookahead_ray.data.readers import read_rows
from lookahead_ray.data.tasks.metrics import rouge1
from lookahead_ray.data.tasks.registry import load_task
from lookahead_ray.data.tasks.samsum import examples, load_samsum
from lookahead_ray.errors import DataError
from tests.data.sources import fake_datasets, shared, write_jsonl

SYSTEM = "You are a helpful assistant for dialog summarization."
ROW = {"id": "1", "dialogue": " Ann: Lunch?\r\nBen: {dialogue}! \n", "summary": "\tThey have lunch. "}
ALL = {"train_examples": None, "test_examples": None}


def test_golden_row(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", [ROW])
    instruction = "Summarize this dialog:\nAnn: Lunch?\r\nBen: {dialogue}!"
    assert examples(read_rows(path)) == [Example(SYSTEM, instruction, "They have lunch.")]


def test_system_and_metric_of_the_task(tmp_path: Path) -> None:
    rows = [{**ROW, "dialogue": f"Ann: {n}"} for n in range(5)]
    path = write_jsonl(tmp_path / "rows.json", rows)
    task = load_samsum(SamsumTask(name="samsum", train_path=path, train_examples=3, test_examples=2))
    assert (task.metric, task.system) == ("rouge1", SYSTEM)
    assert task.score is rouge1
    assert all(row.system == SYSTEM for row in task.train + task.test)


def test_a_row_without_a_dialogue_is_left_out(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", [ROW, {**ROW, "dialogue": ""}, {**ROW, "summary": None}])
    with collect_notes() as notes:
        assert len(examples(read_rows(path), path)) == 1
    assert notes == [
        f"{path}: 1 row without a dialogue left out (line 2)",
        f"{path}: 1 row without a summary left out (line 3)",
    ]


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"summary": "x"}, "field dialogue must be present, got fields ['summary']"),
        ({"dialogue": "x"}, "field summary must be present, got fields ['dialogue']"),
        ({"dialogue": 3, "summary": "x"}, "field dialogue must be a string that is not blank, got 3"),
        ({"dialogue": "x", "summary": "…"}, "field summary: the answer must have Latin letters or digits"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: dict[str, object], rule: str) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", [ROW, row])
    with pytest.raises(DataError) as caught:
        examples(read_rows(path))
    assert str(caught.value).startswith(f"{path}: line 2: {rule}")


def test_no_path_asks_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {split: [{**ROW, "dialogue": f"{split} {n}"} for n in range(3)] for split in ("train", "test")}
    calls = fake_datasets(monkeypatch, rows)
    task = load_task(SamsumTask(name="samsum", revision="v1", **ALL))
    assert calls == [("knkarthick/samsum", None, split, "v1") for split in ("train", "test")]
    assert {row.instruction.split()[-2] for row in task.train} == {"train"}
    assert {row.instruction.split()[-2] for row in task.test} == {"test"}
    with pytest.raises(DataError, match=r"^knkarthick/samsum: train_examples \+ test_examples: must fit"):
        load_task(SamsumTask(name="samsum", train_examples=4, test_examples=1))
    load_task(SamsumTask(name="samsum", hub_name="org/other", **ALL))
    assert calls[-1][0] == "org/other"
    assert read_hub(HubSplit("org/other", "test"))[0].where == "org/other/test: row 1"


@pytest.mark.shared
class TestRealData:
    def test_the_papers_test_set(self) -> None:
        rows = read_rows(shared("samsum/test.json"))
        found = examples(rows)
        assert len(found) == 819
        for row, example in zip(rows, found, strict=True):
            assert example.instruction == f"Summarize this dialog:\n{row.text('dialogue').strip()}"
            assert example.answer == row.text("summary").strip()
        assert sum(row.text("dialogue") != row.text("dialogue").strip() for row in rows) == 66

    def test_dialogsum_stands_in_for_the_train_split(self) -> None:
        paths = {
            "train_path": shared("dialogsum/dialogsum.train.jsonl"),
            "test_path": shared("samsum/test.json"),
        }
        task = load_task(SamsumTask(name="samsum", **paths, **ALL))
        assert (len(task.train), len(task.test)) == (12460, 819)

    def test_a_reference_scores_1_against_itself(self) -> None:
        found = examples(read_rows(shared("samsum/test.json")))
        assert all(rouge1(row.answer, row.answer) == pytest.approx(1.0) for row in found[:50])
