"""The registry: what each task loads from its configuration; training and test rows never overlap."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest

from lookahead_ray.config.task import FileTask, Gsm8kTask, SamsumTask, TaskConfig, WordProblemsTask
from lookahead_ray.data.example import Example
from lookahead_ray.data.tasks.registry import TASKS, Task, hash_examples, load_task
from lookahead_ray.data.tasks.word_problems import generate
from lookahead_ray.errors import ConfigError, DataError
from tests.data.sources import fake_datasets

SIZES: dict[str, Any] = {"train_examples": 20, "test_examples": 10}


def write(path: Path, questions: list[str]) -> str:
    rows = [
        {"question": text, "answer": f"Row {n}.\n#### {n}", "dialogue": text, "summary": f"Row {n}."}
        for n, text in enumerate(questions)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def questions(rows: list[Example]) -> list[str]:
    return [row.instruction for row in rows]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return write(tmp_path / "rows.jsonl", [f"Question {n}?" for n in range(40)])


def gsm8k(path: str, **more: Any) -> Gsm8kTask:
    return Gsm8kTask.model_validate({"name": "gsm8k", "train_path": path, **SIZES, **more})


def samsum(path: str) -> SamsumTask:
    return SamsumTask(name="samsum", train_path=path, **SIZES)


def word_problems(path: str = "") -> WordProblemsTask:
    return WordProblemsTask(name="word_problems", **SIZES)


def file(path: str, **more: Any) -> FileTask:
    fields = {"instruction": "question", "answer": "answer"}
    metric = {"name": "exact_match", "pattern": "#### (.*)"}
    tree = {"name": "file", "train_path": path, "fields": fields, "metric": metric, **SIZES, **more}
    return FileTask.model_validate(tree)


CONFIGS: dict[str, Callable[[str], Any]] = {
    "word_problems": word_problems,
    "gsm8k": gsm8k,
    "samsum": samsum,
    "file": file,
    "file, loss": lambda path: file(path, metric={"name": "answer_loss"}),
    "file, share": lambda path: file(path, held_out_share=0.25),
}


def test_every_task_is_registered_and_tested() -> None:
    names = {get_args(kind.model_fields["name"].annotation)[0] for kind in get_args(get_args(TaskConfig)[0])}
    assert names <= set(TASKS) == {name.split(",")[0] for name in CONFIGS}


@pytest.fixture(params=CONFIGS)
def config(request: pytest.FixtureRequest, path: str) -> Any:
    return CONFIGS[request.param](path)


def changed(config: Any, **changes: Any) -> Any:
    return type(config).model_validate({**config.model_dump(), **changes})


class TestEveryTask:
    def test_sizes_name_and_score(self, config: Any) -> None:
        task = load_task(config)
        assert (task.name, len(task.train), len(task.test)) == (config.name, 20, 10)
        assert all(row.system == task.system for row in task.train + task.test)
        if task.metric == "answer_loss":
            with pytest.raises(DataError):
                task.score("#### 1", "#### 1")
        else:
            assert all(task.score(row.answer, row.answer) == pytest.approx(1.0) for row in task.test)
            assert task.score("nothing like it", task.test[0].answer) in (None, 0.0)

    def test_same_seed_same_rows_other_seed_other_rows(self, config: Any) -> None:
        first, again, other = load_task(config), load_task(config), load_task(changed(config, seed=1))
        assert (first.train, first.test, first.data_hash) == (again.train, again.test, again.data_hash)
        assert first.train != other.train
        assert first.test != other.test
        assert first.data_hash != other.data_hash

    def test_train_and_test_do_not_meet(self, config: Any) -> None:
        for seed in range(20):
            task = load_task(changed(config, seed=seed))
            assert not set(questions(task.train)) & set(questions(task.test))

    def test_test_rows_do_not_depend_on_train_examples(self, config: Any) -> None:
        short, long = load_task(changed(config, train_examples=5)), load_task(config)
        assert short.test == long.test
        assert short.train == long.train[:5]

    def test_is_frozen(self, config: Any) -> None:
        with pytest.raises(FrozenInstanceError):
            load_task(config).name = "other"  # type: ignore[misc]


def test_unknown_name() -> None:
    rule = "must be one of word_problems, gsm8k, samsum, file, got 'other'"
    with pytest.raises(ConfigError, match=f"^task: name: {rule}$"):
        load_task(SimpleNamespace(name="other"))


def test_hash_is_of_both_lists_in_order() -> None:
    a, b = Example(None, "Caf\u00e9?", "#### 1"), Example("Be kind.", "b?", "#### 2")
    canonical = (
        r'{"test":[{"answer":"#### 2","instruction":"b?","system":"Be kind."}],'
        r'"train":[{"answer":"#### 1","instruction":"Caf\u00e9?","system":null}]}'
    )
    assert hash_examples([a], [b]) == hashlib.sha256(canonical.encode()).hexdigest()
    hashes = {
        hash_examples(*lists) for lists in [([a], [b]), ([b], [a]), ([a, b], []), ([b, a], []), ([], [a, b])]
    }
    assert len(hashes) == 5
    assert hash_examples([replace(a, system="")], [b]) not in hashes
    assert Task("x", [a], [b], lambda *_: None).data_hash == hash_examples([a], [b])


def test_word_problems_come_from_the_generator() -> None:
    task = load_task(WordProblemsTask(name="word_problems", seed=4, **SIZES))
    assert (task.train, task.test) == (generate("train", 20, 4), generate("test", 10, 4))


@pytest.mark.parametrize("most", [1, 2, 3])
def test_word_problems_take_as_many_steps_as_allowed(most: int) -> None:
    task = load_task(WordProblemsTask(name="word_problems", train_examples=300, max_steps=most))
    steps = {row.answer.count("\n") for row in task.train + task.test}
    assert steps == set(range(1, most + 1))


def test_word_problems_have_solutions_of_the_wanted_kind() -> None:
    told = load_task(WordProblemsTask(name="word_problems", **SIZES))
    bare = load_task(WordProblemsTask(name="word_problems", solutions="calculations", **SIZES))
    assert [row.instruction for row in bare.train] == [row.instruction for row in told.train]
    assert bare.train == generate("train", 20, 0, solutions="calculations")
    assert bare.test == generate("test", 10, 0, solutions="calculations")


def test_gsm8k_one_file_is_used_up_exactly(path: str) -> None:
    task = load_task(gsm8k(path, train_examples=30, test_examples=10))
    assert sorted(questions(task.train + task.test)) == sorted(f"Question {n}?" for n in range(40))


@pytest.mark.parametrize(("train", "test"), [(31, 10), (1, 41), (40, 1)])
def test_gsm8k_too_few_rows(path: str, train: int, test: int) -> None:
    with pytest.raises(DataError) as caught:
        load_task(gsm8k(path, train_examples=train, test_examples=test))
    message = str(caught.value)
    assert message.startswith(f"{path}: train_examples + test_examples: must ")
    assert message.endswith(f", got {train} + {test}")
    assert "\n" not in message


def test_gsm8k_duplicates_do_not_straddle(tmp_path: Path) -> None:
    texts = [
        text for n in range(10) for text in (f"How many is {n}?", f"how  many is {n}?", f"How many is {n}? ")
    ]
    path = write(tmp_path / "rows.jsonl", texts)
    for seed in range(20):
        task = load_task(gsm8k(path, train_examples=15, test_examples=5, seed=seed))
        train, test = ([text.split()[3] for text in questions(rows)] for rows in (task.train, task.test))
        assert len(set(test)) == 5
        assert not set(train) & set(test)
    with pytest.raises(DataError, match=r"15 of 30 left to train on\), got 16 \+ 5$"):
        load_task(gsm8k(path, train_examples=16, test_examples=5))


def test_gsm8k_two_files(path: str, tmp_path: Path) -> None:
    test_path = write(tmp_path / "test.jsonl", ["Question 3?", *(f"Other {n}?" for n in range(4))])
    task = load_task(gsm8k(path, test_path=test_path, train_examples=39, test_examples=5))
    assert sorted(questions(task.test)) == sorted(["Question 3?", *(f"Other {n}?" for n in range(4))])
    assert "Question 3?" not in questions(task.train)
    with pytest.raises(DataError, match=r"test\.jsonl: .*5 questions to test on\), got 1 \+ 6$"):
        load_task(gsm8k(path, test_path=test_path, train_examples=1, test_examples=6))
    with pytest.raises(DataError, match=r"rows\.jsonl: .*39 of 40 left to train on\), got 40 \+ 5$"):
        load_task(gsm8k(path, test_path=test_path, train_examples=40, test_examples=5))


def test_gsm8k_one_file_given_twice_is_still_split(path: str) -> None:
    once, twice = (load_task(gsm8k(path, test_path=test_path)) for test_path in (None, path))
    assert once.data_hash == twice.data_hash


def test_gsm8k_without_files_takes_the_hub_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {
        split: [{"question": f"{split} {n}?", "answer": f"#### {n}"} for n in range(50)]
        for split in ("train", "test")
    }
    fake_datasets(monkeypatch, rows)
    task = load_task(Gsm8kTask(name="gsm8k", **SIZES))
    assert {text.split()[0] for text in questions(task.train)} == {"train"}
    assert {text.split()[0] for text in questions(task.test)} == {"test"}
    assert questions(task.train) != [f"train {n}?" for n in range(20)]
    with pytest.raises(DataError, match=r"^openai/gsm8k: .*got 51 \+ 10$"):
        load_task(Gsm8kTask(name="gsm8k", train_examples=51, test_examples=10))


def test_the_draw_is_the_same_in_every_version(path: str) -> None:
    # Results of old and new sweeps are comparable only if a random seed draws the same rows.
    task = load_task(gsm8k(path, train_examples=4, test_examples=3))
    assert questions(task.test) == [f"Question {n}?" for n in (27, 33, 15)]
    assert questions(task.train) == [f"Question {n}?" for n in (26, 39, 12, 9)]
