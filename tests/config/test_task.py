"""Tasks in a space file: fields of each variant; violations are refused in one line."""

from pathlib import Path

import pytest

from lookahead_ray.config import regex_check
from lookahead_ray.config.load import load_sweep, trial_json
from lookahead_ray.config.task import FileTask, Gsm8kTask, SamsumTask, parse_template
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import ConfigError

FILE = "name: file, train_path: x.csv, fields: {instruction: q}, metric: {name: rouge1}"


def load(folder: Path, task: str, rest: str = "") -> TrialConfig:
    path = folder / "space.yaml"
    path.write_text(f"task: {{{task}}}\n{rest}", encoding="utf-8")
    return load_sweep(path).reference()


def refusal(folder: Path, task: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, task)
    message = str(caught.value)
    assert message.isprintable(), message
    return message.removeprefix(f"{folder}/space.yaml: ")


@pytest.mark.parametrize(
    "task",
    [
        "name: gsm8k, protocol: paper",
        "name: gsm8k, path: x.jsonl, test_path: y.jsonl, train_examples: null, test_examples: null",
        "name: samsum, train_path: x.jsonl, held_out_share: 0.1, test_examples: null",
        "name: samsum, hub_name: org/set, revision: v1",
        FILE,
        "name: file, hub_name: org/set, test_split: test, instruction_template: '{a} {{x}} {b_1}', "
        "metric: {name: answer_loss}, fields: {answer: c, test_answer: d, system: s}, system: null",
        FILE.replace("instruction: q", "messages: m") + ", turns: all, skip_rows: faulty",
        FILE + ", csv: {delimiter: tab, encoding: UTF-16}",
        FILE.replace("rouge1", r"exact_match, pattern: 'answer is\s*(-?[0-9,.]+)'"),
    ],
)
def test_round_trip_through_json(tmp_path: Path, task: str) -> None:
    config = load(tmp_path, task)
    assert TrialConfig.model_validate(trial_json(config)) == config


def test_new_fields_do_not_change_old_configurations(tmp_path: Path) -> None:
    dumped = trial_json(load(tmp_path, FILE))["task"]
    assert not {"csv", "skip_rows", "turns"} & set(dumped)
    assert set(dumped["fields"]) == {"instruction", "answer", "test_answer", "system"}


def test_path_is_another_name_of_train_path(tmp_path: Path) -> None:
    one, other = (load(tmp_path, f"name: gsm8k, {name}: x.jsonl") for name in ("path", "train_path"))
    assert one == other
    assert isinstance(one.task, Gsm8kTask)
    assert (one.task.train_path, one.task.has_test_rows) == ("x.jsonl", False)
    assert refusal(tmp_path, "name: gsm8k, path: x, train_path: y").startswith("task.path: unknown field")


def test_defaults() -> None:
    assert Gsm8kTask(name="gsm8k").protocol == "fixed"
    assert SamsumTask(name="samsum").has_test_rows
    assert FileTask.model_fields["system"].default == "You are a helpful assistant."


@pytest.mark.parametrize(
    ("task", "rule"),
    [
        ("name: gsm8k, protocol: old", "task.protocol: input should be 'fixed' or 'paper', got 'old'"),
        ("name: word_problems, train_examples: null", "task.train_examples: input should be a valid integer"),
        (
            "name: gsm8k, test_path: x, held_out_share: 0.1",
            "task: held_out_share must be null where test rows have a file or split of their own, got 0.1",
        ),
        ("name: gsm8k, held_out_share: 0.1", "task: held_out_share must be null where"),
        ("name: gsm8k, path: x, held_out_share: 1.0", "task.held_out_share: input should be less than 1"),
        (
            "name: samsum, path: x, test_examples: null",
            "task: test_examples must be a number without test_path or held_out_share, got None",
        ),
        (
            FILE.replace("train_path: x.csv, ", ""),
            "task: exactly one of train_path and hub_name must be given",
        ),
        (f"{FILE}, hub_name: x", "task: exactly one of train_path and hub_name must be given"),
        (f"{FILE}, test_split: x", "task: test_split must be null without hub_name or"),
        (
            FILE.replace("instruction: q", "answer: a"),
            "task: exactly one of fields.instruction and instruction_template must be given",
        ),
        (f"{FILE}, instruction_template: '{{x}}'", "task: exactly one of fields.instruction and"),
        (
            FILE.replace("q}", "q, messages: m}"),
            "task: fields.instruction and instruction_template must be null with fields.messages, got 'q'",
        ),
        (f"{FILE}, turns: first", "task.turns: input should be 'last' or 'all', got 'first'"),
        (f"{FILE}, skip_rows: all", "task.skip_rows: input should be 'blank', 'faulty' or 'none', got 'all'"),
        (f"{FILE}, csv: {{delimiter: ';;'}}", "task.csv.delimiter: must be one character, or tab, and"),
        (f"{FILE}, csv: {{encoding: ansi9}}", "task.csv.encoding: must be an encoding that Python knows,"),
        (f"{FILE}, csv: {{encoding: base64}}", "task.csv.encoding: must be an encoding that Python knows,"),
        (
            FILE.replace("q}", "q, test_answer: a}"),
            "task: fields.test_answer must be null without test_path or test_split, got 'a'",
        ),
        (FILE.replace("q}", "q, question: a}"), "task.fields.question: unknown field"),
        (FILE.replace(", metric: {name: rouge1}", ""), "task.metric: required field is missing"),
        (FILE.replace("rouge1", "bleu"), "task.metric: 'name' must be one of 'exact_match', 'rouge1'"),
        (
            FILE.replace("rouge1", "exact_match, pattern: '(a'"),
            "task.metric.pattern: must be a valid regular expression (missing ), unterminated subpattern",
        ),
        (
            FILE.replace("rouge1", "exact_match, pattern: 'a'"),
            "task.metric.pattern: must have exactly one group, the answer, got 0 in 'a'",
        ),
        (
            FILE.replace("instruction: q", "answer: a") + ", instruction_template: '{a} { }'",
            "task.instruction_template: a placeholder must be the name of a field, got { }",
        ),
    ],
)
def test_invalid_values_are_refused(tmp_path: Path, task: str, rule: str) -> None:
    assert refusal(tmp_path, task).startswith(rule)


class TestTemplate:
    def test_parts(self) -> None:
        assert parse_template("a{b}{{{c}}}") == (("a", "b"), ("{", "c"), ("}", None))

    @pytest.mark.parametrize(
        "name", ["0", "a.b", "a[0]", "a!r", "Price: EUR", "Product name", "Agent's (x)", "größe %", " a"]
    )
    def test_columns_have_their_own_names(self, name: str) -> None:
        assert parse_template(f"x {{{name}}}") == (("x ", name),)

    @pytest.mark.parametrize("text", ["{}", "{ }", "a {\t} {b}"])
    def test_a_placeholder_has_a_name(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"^a placeholder must be the name of a field, got \{"):
            parse_template(text)

    @pytest.mark.parametrize("text", ["{a", "a}", "{a}}", "{{a}", "{a:{b}}"])
    def test_braces_must_balance(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"^must have balanced"):
            parse_template(text)

    @pytest.mark.parametrize("text", ["a", "{{a}}", ""])
    def test_something_of_the_row_must_be_in_it(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"^must hold at least one \{field\} placeholder, got"):
            parse_template(text)


class TestPattern:
    @pytest.mark.parametrize(
        "text",
        [
            r"(\d+)",
            r"####\s*(.+)",
            r"(?P<x>.*)",
            r"(?:(?:a){2}){3}(b)",
            r"(a|b)+",
            r"((?:\d|,)+)",
            "(?i)(A+)$",
        ],
    )
    def test_sound(self, text: str) -> None:
        regex_check.check_pattern(text)

    @pytest.mark.parametrize("text", ["(", "*(a)", "(?P<a>x)(?P=b)", "(a){9999999999999}", "(" * 5000])
    def test_invalid(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"^must be a valid"):
            regex_check.check_pattern(text)

    @pytest.mark.parametrize(("text", "groups"), [("a", 0), ("(?:a)", 0), ("(a)(b)", 2), ("((a))", 2)])
    def test_one_group(self, text: str, groups: int) -> None:
        with pytest.raises(ValueError, match=rf"^must have exactly one group, the answer, got {groups} in"):
            regex_check.check_pattern(text)

    @pytest.mark.parametrize(
        "text",
        [r"(\d+,?)+", "(?:a+)+(b)", "(?:a*)*?(b)", "(?:a?){30}(b)", "(?:x|a+)*(b)", "((?:(?:a)+b)*)c",
         "(?>a+)*(b)", "(?:(?=a+)b)*(c)", "(?:a{1,9}){1,9}(b)"],
    )  # fmt: skip
    def test_exponential(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"^must not repeat a part that itself varies in length"):
            regex_check.check_pattern(text)
