"""The task `file`: every format and mapping, and one clear error for each fault of the data."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lookahead_ray.config.task import FileTask
from lookahead_ray.data.example import SYSTEM_PROMPT, Example
from lookahead_ray.data.notes import collect_notes
from lookahead_ray.data.rows import Row
from lookahead_ray.data.tasks.file import load_file_task
from lookahead_ray.data.tasks.task import Task, hash_examples
from lookahead_ray.data.templates import fill
from lookahead_ray.errors import DataError
from tests.data.sources import fake_datasets, shared, write_csv, write_jsonl

ROWS = [{"q": f"What is {n}?", "a": f"It is {n}", "s": "Be brief." if n % 2 else ""} for n in range(20)]
BASE: dict[str, Any] = {
    "name": "file",
    "train_examples": None,
    "test_examples": 4,
    "fields": {"instruction": "q", "answer": "a"},
    "metric": {"name": "exact_match", "pattern": "is (.*)"},
}


def load(**changes: Any) -> Task:
    return load_file_task(FileTask.model_validate({**BASE, **changes}))


def refusal(**changes: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(**changes)
    message = str(caught.value)
    assert message.isprintable()
    return message


@pytest.fixture
def path(tmp_path: Path) -> str:
    return write_jsonl(tmp_path / "rows.jsonl", ROWS)


def test_fields_are_mapped_verbatim(path: str) -> None:
    task = load(train_path=path, system=None)
    assert len(task.train) == 16
    by_question = {row.instruction: row for row in task.train + task.test}
    assert by_question == {row["q"]: Example(None, row["q"], row["a"]) for row in ROWS}
    assert (task.name, task.metric, task.system) == ("file", "exact_match", None)


def test_every_format_gives_the_same_task(path: str, tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    other = [write_csv(tmp_path / "rows.csv", ROWS), str(tmp_path / "rows.parquet")]
    assert {load(train_path=source).data_hash for source in [path, *other]} == {
        load(train_path=path).data_hash
    }


def test_a_system_field_falls_back_to_the_tasks_own(path: str) -> None:
    task = load(train_path=path, fields={"instruction": "q", "answer": "a", "system": "s"})
    assert {row.system for row in task.train} == {"Be brief.", SYSTEM_PROMPT}
    assert task.system == SYSTEM_PROMPT
    assert load(train_path=path, system="Hi.").train[0].system == "Hi."


class TestTemplate:
    def test_placeholders_are_filled_from_the_row(self, path: str) -> None:
        task = load(train_path=path, fields={"answer": "a"}, instruction_template="{{{q}}} {s}: {q}")
        assert {row.instruction for row in task.train + task.test} == {
            f"{{{row['q']}}} {row['s']}: {row['q']}" for row in ROWS
        }

    def test_values_are_text_and_not_templates(self) -> None:
        row = Row("f: line 1", {"a": "{b} {0} {b.__class__} %s $b", "b": 7})
        assert fill("{a}|{b}", row) == "{b} {0} {b.__class__} %s $b|7"

    def test_a_missing_field_is_named(self, path: str) -> None:
        message = refusal(train_path=path, fields={"answer": "a"}, instruction_template="{q} {context}")
        assert message == f"{path}: line 1: field context must be present, got fields ['a', 'q', 's']"

    def test_a_field_that_a_row_lacks_is_empty(self, tmp_path: Path) -> None:
        rows = [{"q": f"{n}?", "a": "x"} | ({"context": f"It is {n}."} if n else {}) for n in range(3)]
        path = write_jsonl(tmp_path / "rows.jsonl", rows)
        task = load(
            train_path=path, test_examples=1, fields={"answer": "a"}, metric={"name": "exact_match"},
            instruction_template="{context}\n\n{q}",
        )  # fmt: skip
        asked = {row.instruction for row in task.train + task.test}
        assert asked == {"0?", "It is 1.\n\n1?", "It is 2.\n\n2?"}

    def test_a_row_without_any_of_the_fields_has_no_question(self, tmp_path: Path) -> None:
        rows = [
            {"d": "Hi", "a": "1"},
            {"d": None, "a": "2"},
            {"d": " ", "a": "3"},
            {"a": "4"},
            {"d": "Yo", "a": "5"},
        ]
        path = write_jsonl(tmp_path / "rows.jsonl", rows)
        task = load(
            train_path=path, test_examples=1, fields={"answer": "a"}, metric={"name": "exact_match"},
            instruction_template="Summarize:\n{d}",
        )  # fmt: skip
        assert {row.answer for row in task.train + task.test} == {"1", "5"}


class TestSplits:
    def test_system_prompts_tell_questions_apart(self, tmp_path: Path) -> None:
        rows = [{"q": "Summarize.", "s": f"Document {n}.", "a": str(n)} for n in range(20)]
        path = write_jsonl(tmp_path / "rows.jsonl", rows)
        fields = {"instruction": "q", "answer": "a", "system": "s"}
        metric = {"name": "exact_match"}
        task = load(train_path=path, fields=fields, train_examples=None, test_examples=5, metric=metric)
        assert (len(task.train), len(task.test)) == (15, 5)

    def test_a_held_out_share_keeps_the_training_rows_whatever_is_tested(self, path: str) -> None:
        few, all_held = (load(train_path=path, held_out_share=0.3, test_examples=size) for size in (2, None))
        assert (len(few.train), len(few.test), len(all_held.test)) == (14, 2, 6)
        assert few.train == all_held.train
        assert few.test == all_held.test[:2]
        assert not {row.instruction for row in all_held.train} & {row.instruction for row in all_held.test}

    def test_a_share_holds_out_at_least_a_row(self, path: str) -> None:
        assert len(load(train_path=path, held_out_share=0.001, test_examples=None).test) == 1

    def test_a_share_too_small_for_the_tests(self, path: str) -> None:
        message = refusal(train_path=path, held_out_share=0.1, test_examples=3)
        assert message.startswith(f"{path}: train_examples + test_examples: must fit the rows")
        assert message.endswith("(2 questions to test on), got all + 3")

    def test_two_files(self, path: str, tmp_path: Path) -> None:
        rows = [{"q": "what  IS 3? ", "gold": "is 3"}, {"q": "Other?", "gold": "is 4"}]
        test_path = write_jsonl(tmp_path / "test.jsonl", rows)
        fields = {"instruction": "q", "answer": "a", "test_answer": "gold"}
        task = load(train_path=path, test_path=test_path, test_examples=None, fields=fields)
        assert {row.answer for row in task.test} == {"is 3", "is 4"}
        assert len(task.train) == 19
        assert "What is 3?" not in {row.instruction for row in task.train}
        message = refusal(train_path=path, test_path=test_path, fields=fields, test_examples=3)
        assert message.startswith(f"{test_path}: ")

    def test_hub(self, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = fake_datasets(monkeypatch, {"train": ROWS[:10], "validation": ROWS[10:]})
        hub = {"hub_name": "org/set", "hub_config": "c", "revision": "v1"}
        task = load(**hub, test_split="validation")
        assert (len(task.train), len(task.test)) == (10, 4)
        assert calls == [("org/set", "c", split, "v1") for split in ("train", "validation")]
        task = load(**hub)
        assert (len(task.train), len(task.test)) == (6, 4)
        assert calls[2:] == [("org/set", "c", "train", "v1")]
        bad = {"instruction": "q", "answer": "gone"}
        assert refusal(**hub, fields=bad).startswith("org/set/c/train: row 1: field gone must be present")


class TestMetrics:
    def test_a_reference_that_the_pattern_misses_is_refused_before_training(self, tmp_path: Path) -> None:
        path = write_jsonl(tmp_path / "rows.jsonl", [*ROWS, {"q": "?", "a": "none"}])
        message = refusal(train_path=path)
        assert message == f"{path}: line 21: field a: the answer must match 'is (.*)', got 'none'"

    def test_the_thoughts_of_a_reference_do_not_count(self, tmp_path: Path) -> None:
        row = {"q": "?", "a": "<think>Perhaps it is 4.</think>Four"}
        path = write_jsonl(tmp_path / "rows.jsonl", [*ROWS, row])
        assert refusal(train_path=path).endswith(": the answer must match 'is (.*)', got 'Four'")

    def test_of_two_files_only_test_references_are_checked(self, path: str, tmp_path: Path) -> None:
        train_path = write_jsonl(
            tmp_path / "train.jsonl", [{"q": f"Train {n}?", "a": "none"} for n in range(3)]
        )
        assert len(load(train_path=train_path, test_path=path).train) == 3

    @pytest.mark.parametrize("name", ["rouge1", "answer_loss", "exact_match"])
    def test_the_task_names_its_metric(self, path: str, name: str) -> None:
        assert load(train_path=path, metric={"name": name}).metric == name

    def test_score(self, path: str) -> None:
        assert load(train_path=path).score("Well, it is 3", "It is 3") == 1.0
        assert load(train_path=path, metric={"name": "rouge1"}).score("It is 4", "It is 3") == pytest.approx(
            2 / 3
        )


class TestRowsThatCanNotBeUsed:
    METRIC = {"name": "exact_match"}  # noqa: RUF012

    @pytest.mark.parametrize(
        ("row", "lacks"),
        [
            ({"q": "?", "a": ""}, "an answer"),
            ({"q": "?", "a": None}, "an answer"),
            ({"q": "?"}, "an answer"),
            ({"q": " ", "a": "x"}, "a question"),
            ({"q": float("nan"), "a": "x"}, "a question"),
        ],
    )
    def test_blank_ones_are_left_out_and_counted(
        self, tmp_path: Path, row: dict[str, object], lacks: str
    ) -> None:
        path = write_jsonl(tmp_path / "rows.jsonl", [ROWS[0], row, *ROWS[1:]])
        with collect_notes() as notes:
            task = load(train_path=path, metric=self.METRIC)
        assert len(task.train) == 16
        assert notes == [f"{path}: 1 row without {lacks} left out (line 2)"]
        message = refusal(train_path=path, metric=self.METRIC, skip_rows="none")
        assert message.startswith(f"{path}: line 2: the {lacks.split()[1]} must not be blank, got ")

    def test_many_are_counted(self, tmp_path: Path) -> None:
        path = write_jsonl(tmp_path / "rows.jsonl", [*[{"q": "?", "a": " "}] * 1200, *ROWS])
        with collect_notes() as notes:
            load(train_path=path)
        assert notes == [f"{path}: 1,200 rows without an answer left out (line 1, line 2, line 3, …)"]

    def test_a_file_of_blank_rows_is_refused(self, tmp_path: Path) -> None:
        path = write_jsonl(tmp_path / "rows.jsonl", [{"q": "?", "a": ""}] * 3)
        assert refusal(train_path=path).startswith(f"{path}: line 1: the answer must not be blank, got ")

    @pytest.mark.parametrize(
        ("row", "rule"),
        [
            ({"q": ["?"], "a": "x"}, "field q must be text, a number, true or false, got ['?']"),
            ({"q": "?", "a": {"b": 1}}, "field a must be text, a number, true or false, got {'b': 1}"),
            ({"q": [{"role": "tool", "content": "x"}], "a": "y"}, "field q: message 1: the role must be"),
        ],
    )
    def test_faulty_ones_are_named_or_left_out(
        self, tmp_path: Path, row: dict[str, object], rule: str
    ) -> None:
        path = write_jsonl(tmp_path / "rows.jsonl", [ROWS[0], row, *ROWS[1:]])
        assert refusal(train_path=path).startswith(f"{path}: line 2: {rule}")
        with collect_notes() as notes:
            task = load(train_path=path, skip_rows="faulty")
        assert len(task.train) == 16
        assert notes == [f"{path}: 1 row that can't be used left out (line 2)"]

    @pytest.mark.parametrize(
        ("name", "text", "rule"),
        [
            ("rows.jsonl", '{"q": "1?", "a": "x"}\n{"q": "2?", "a"', "must be a JSON object, got "),
            ("rows.jsonl", '{"q": "1?", "a": "x"}\n["2?", "y"]', "must be a JSON object, got ['2?', 'y']"),
            (
                "rows.jsonl",
                '{"q": "1?", "a": "x"}\n{"q": "2?", "a": "\udce9"}',
                "must be UTF-8, got the byte",
            ),
            ("rows.csv", "q,a\n1?,x\n2?\n", "must have 2 cells as the header has, got 1: ['2?']"),
            ("rows.csv", "q,a\n1?,x\n2?,3?,y\n", "must have 2 cells as the header has, got 3"),
        ],
    )
    def test_lines_that_can_not_be_read(self, tmp_path: Path, name: str, text: str, rule: str) -> None:
        more = (
            ['{"q": "3?", "a": "z"}', '{"q": "4?", "a": "z"}'] if name == "rows.jsonl" else ["3?,z", "4?,z"]
        )
        path = tmp_path / name
        path.write_text("\n".join([text.rstrip("\n"), *more]), "utf-8", "surrogateescape")
        line = 3 if name == "rows.csv" else 2
        given: dict[str, Any] = {"train_path": str(path), "metric": self.METRIC, "test_examples": 1}
        assert refusal(**given).startswith(f"{path}: line {line}: {rule}")
        with collect_notes() as notes:
            assert len(load(**given, skip_rows="faulty").train) == 2
        assert notes == [f"{path}: 1 row that can't be used left out (line {line})"]

    def test_a_file_without_a_line_that_can_be_read_is_refused(self, tmp_path: Path) -> None:
        path = write_jsonl(tmp_path / "rows.jsonl", ["1?", "2?"])
        assert refusal(train_path=path, skip_rows="faulty").startswith(
            f"{path}: line 1: must be a JSON object"
        )

    def test_a_field_that_no_row_has_is_refused(self, path: str) -> None:
        for fields in ({"instruction": "q", "answer": "gone"}, {"instruction": "gone", "answer": "a"}):
            message = refusal(train_path=path, fields=fields, skip_rows="faulty")
            assert message == f"{path}: line 1: field gone must be present, got fields ['a', 'q', 's']"


def test_values_that_are_no_text_become_text(tmp_path: Path) -> None:
    values = [True, False, 2.5, 4.0, 7]
    path = write_jsonl(tmp_path / "rows.jsonl", [{"q": f"{n}?", "a": a} for n, a in enumerate(values)])
    task = load(train_path=path, metric={"name": "exact_match"})
    assert {row.answer for row in task.train + task.test} == {"true", "false", "2.5", "4.0", "7"}


def chat(*turns: str) -> list[dict[str, str]]:
    """Return messages of the user and the assistant in turn."""
    return [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(turns)]


class TestChats:
    CHATS = (
        chat("One?", "1"),
        [{"role": "system", "content": "Count."}, *chat("Two?", "2", "And then?", "3")],
        chat("Four?", "4", "Five?", "5", "Six?", "6"),
    )

    def load(self, folder: Path, **changes: Any) -> Task:
        path = write_jsonl(folder / "chats.jsonl", [{"m": messages} for messages in self.CHATS])
        base = {"train_path": path, "test_examples": 1, "metric": {"name": "exact_match"}, "system": None}
        return load(**{**base, "fields": {"messages": "m"}, **changes})

    def test_the_last_answer_with_the_turns_before_it(self, tmp_path: Path) -> None:
        task = self.load(tmp_path)
        by_answer = {row.answer: row for row in task.train + task.test}
        assert by_answer == {
            "1": Example(None, "One?", "1"),
            "3": Example("Count.", "And then?", "3", (("Two?", "2"),)),
            "6": Example(None, "Six?", "6", (("Four?", "4"), ("Five?", "5"))),
        }

    def test_every_answer_is_trained_on_and_the_last_tested(self, tmp_path: Path) -> None:
        task, last = self.load(tmp_path, turns="all"), self.load(tmp_path)
        assert task.test == last.test
        assert [row for row in task.train if row in last.train] == last.train
        tested = {"1": "1", "3": "23", "6": "456"}[task.test[0].answer]
        assert sorted(row.answer for row in task.train) == sorted(set("123456") - set(tested))
        assert all(len(row.history) < 3 for row in task.train)

    def test_no_answer_to_a_test_question_is_trained_on(self, tmp_path: Path) -> None:
        chats = [chat(f"{n}?", "Hm.") for n in range(20)]
        longer = [chat(f"{n}?", "Hm.", f"And {n}?", "Hm!") for n in range(20)]
        path = write_jsonl(tmp_path / "rows.jsonl", [{"m": messages} for messages in (*chats, *longer)])
        with collect_notes() as notes:
            task = self.load(tmp_path, train_path=path, turns="all", test_examples=10)
        single = {row.instruction for row in task.test if not row.history}
        assert single
        assert not single & {row.instruction for row in task.train if not row.history}
        left_out = 50 - len(task.test) - len(task.train) + len([row for row in task.test if not row.history])
        assert f"{path}: answers to questions of test rows, which are left out: {left_out}" in notes

    @pytest.mark.parametrize(
        "value", [["Hi."], "Hi.", 7, {"role": "user"}, [{"role": "user", "text": "Hi."}]]
    )
    def test_what_is_no_chat_is_named_or_left_out(self, tmp_path: Path, value: object) -> None:
        rows = [{"m": value}, *({"m": chat(f"{n}?", "Hm.")} for n in range(3))]
        path = write_jsonl(tmp_path / "rows.jsonl", rows)
        with pytest.raises(DataError, match=rf"^{path}: line 1: field m(: message 1:)? must "):
            self.load(tmp_path, train_path=path)
        assert len(self.load(tmp_path, train_path=path, skip_rows="faulty").train) == 2

    @pytest.mark.parametrize("answer", ["m", "m[-1].content"])
    def test_other_mappings_of_the_same(self, tmp_path: Path, answer: str) -> None:
        other = self.load(tmp_path, fields={"instruction": "m", "answer": answer})
        assert other.data_hash == self.load(tmp_path).data_hash

    def test_a_list_of_prompts_and_a_list_of_one_completion(self, tmp_path: Path) -> None:
        rows = [
            {"prompt": chat(f"{n}?", "Hm.", "Well?"), "completion": [{"from": "gpt", "value": n}]}
            for n in range(3)
        ]
        path = write_jsonl(tmp_path / "rows.jsonl", rows)
        fields = {"instruction": "prompt", "answer": "completion"}
        task = load(train_path=path, test_examples=1, fields=fields, metric={"name": "exact_match"})
        row = task.test[0]
        assert row == Example(SYSTEM_PROMPT, "Well?", row.answer, ((f"{row.answer}?", "Hm."),))

    def test_a_completion_of_several_turns_goes_on_with_the_prompt(self, tmp_path: Path) -> None:
        completion = [{"role": "assistant", "content": "Hm."}, *chat("Well?", "Yes.")]
        path = write_jsonl(
            tmp_path / "rows.jsonl", [{"prompt": f"{n}?", "completion": completion} for n in range(3)]
        )
        fields = {"instruction": "prompt", "answer": "completion"}
        task = load(train_path=path, test_examples=1, fields=fields, metric={"name": "exact_match"})
        assert {(row.history[0][1], row.instruction, row.answer) for row in task.train} == {
            ("Hm.", "Well?", "Yes.")
        }

    @pytest.mark.parametrize("template", [None, "Dear model! {prompt}"])
    def test_an_answer_to_another_question_is_refused(self, tmp_path: Path, template: str | None) -> None:
        rows = [{"prompt": f"{n}?", "messages": chat(f"{n}?", "Hm.", "Well?", "Yes.")} for n in range(3)]
        path = write_jsonl(tmp_path / "rows.jsonl", rows)
        fields = {"instruction": None if template else "prompt", "answer": "messages"}
        given = {"train_path": path, "fields": fields, "metric": {"name": "exact_match"}, "test_examples": 1}
        rule = "its last answer must be to the instruction (fields.messages reads whole chats)"
        message = refusal(**given, instruction_template=template)
        assert message == f"{path}: line 1: field messages: {rule}, got one to 'Well?'"
        single = [{"prompt": f"{n}?", "messages": chat(f"{n}?", "Hm.")} for n in range(3)]
        write_jsonl(tmp_path / "rows.jsonl", single)
        assert {row.answer for row in load(**given, instruction_template=template).train} == {"Hm."}

    def test_what_does_not_fit_is_counted(self, tmp_path: Path) -> None:
        odd: list[list[dict[str, Any]]] = [
            [
                {"from": "gpt", "value": "Hi!"},
                {"from": "human", "value": "A?"},
                {"from": "gpt", "value": "a"},
            ],
            [*chat("B?", "b"), {"role": "user", "content": "Thanks."}],
            [*chat("C?")],
            [{"role": "user", "content": "D?"}, {"role": "assistant", "content": None}],
            [],
        ]
        path = write_jsonl(tmp_path / "rows.jsonl", [{"m": messages} for messages in odd])
        with collect_notes() as notes:
            task = self.load(tmp_path, train_path=path)
        assert {row.answer for row in task.train + task.test} == {"a", "b"}
        assert notes == [
            f"{path}: 2 rows without an answer left out (line 3, line 4)",
            f"{path}: 1 row without a question left out (line 5)",
            f"{path}: chats that begin with the assistant, whose first turn is left out: 1",
            f"{path}: chats that end with the user, whose last turn is left out: 1",
        ]


def test_hashes_of_single_turns_are_those_of_before() -> None:
    row = Example("s", "q", "a")
    assert hash_examples([row], []) == "24e62354031bebd3ef0cda72932129a619a57872cb9d0cb3cc9b008bafb32810"
    assert hash_examples([replace(row, history=(("x", "y"),))], []) != hash_examples([row], [])


def test_a_whole_number_is_its_digits(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", [{"q": f"{n}?", "a": n} for n in range(5)])
    task = load(train_path=path, metric={"name": "exact_match"})
    assert {row.answer for row in task.train + task.test} == set("01234")


@pytest.mark.shared
def test_dialogsum_with_its_own_test_file() -> None:
    task = load(
        train_path=shared("dialogsum/dialogsum.train.jsonl"),
        test_path=shared("dialogsum/dialogsum.test.jsonl"),
        test_examples=None,
        fields={"answer": "summary", "test_answer": "summary1"},
        instruction_template="Summarize this dialog:\n{dialogue}",
        system="You are a helpful assistant for dialog summarization.",
        metric={"name": "rouge1"},
    )
    # One test dialogue occurs twice and one also in the training rows: neither may count.
    assert (len(task.train), len(task.test)) == (12459, 499)
    assert task.score(task.test[0].answer, task.test[0].answer) == pytest.approx(1.0)
