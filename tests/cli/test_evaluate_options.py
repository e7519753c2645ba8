"""`evaluate`'s options as overrides."""

import json
from pathlib import Path
from typing import Any

import pytest

from lookahead_ray.cli.evaluate_options import assignments
from lookahead_ray.config.judge import KeywordJudge, LlmJudge, RefusalJudge
from lookahead_ray.config.load import validate_tree
from lookahead_ray.config.safety import AdvBenchSuite, HexPhiSuite, ProbeSuite
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.data.suites.registry import SUITES
from lookahead_ray.data.tasks.registry import TASKS
from lookahead_ray.errors import ConfigError


def config(*settings: str, **options: Any) -> TrialConfig:
    chosen = {"suites": [], "task": None, "judges": [], **options}
    return validate_tree(TrialConfig, ["task={name: word_problems}", *assignments(**chosen), *settings])


@pytest.mark.parametrize("variant", [*SUITES.values(), *TASKS.values()])
def test_a_path_sets_fields_that_exist(variant: Any) -> None:
    assert set(variant.config_class.path_fields) <= set(variant.config_class.model_fields)


def test_no_options_give_no_overrides() -> None:
    assert assignments([], None, []) == []


def test_suites_by_name_and_by_file() -> None:
    found = config(suites=["advbench=/a b/ö=1.csv", "hex_phi", "probe"])
    assert found.safety == (
        AdvBenchSuite(name="advbench", path="/a b/ö=1.csv"),
        HexPhiSuite(name="hex_phi"),
        ProbeSuite(),
    )
    assert found.task.name == "word_problems"


def test_fields_of_one_suite_can_be_set_on_top() -> None:
    found = config("safety.harmful_prompts=20", suites=["advbench=a.csv"])
    assert found.safety == (AdvBenchSuite(name="advbench", path="a.csv", harmful_prompts=20),)


def test_a_tasks_file_is_there_to_be_tested_on() -> None:
    task: Any = config("task.test_examples=7", task="gsm8k=t.jsonl").task
    assert (task.name, task.train_path, task.test_path) == ("gsm8k", "t.jsonl", "t.jsonl")
    assert (task.train_examples, task.test_examples) == (1, 7)
    fields = ["task.fields.instruction=q", "task.metric.name=rouge1"]
    assert config(*fields, task="file=😀.csv").task.name == "file"


def test_judges_with_fields() -> None:
    llm = "llm model='a model' base_url=http://127.0.0.1:1/v1 max_calls=3"
    found = config(judges=["refusal", "keyword protocol=paper", llm]).evaluation.judges
    assert found == (
        RefusalJudge(),
        KeywordJudge(protocol="paper"),
        LlmJudge(model="a model", base_url="http://127.0.0.1:1/v1", max_calls=3),
    )


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"suites": ["x"]}, "--suite must be one of probe, hex_phi, advbench, jailbreakbench, xstest, file"),
        ({"suites": ["probe=x"]}, "--suite probe=x: probe reads no file"),
        ({"suites": ["advbench="]}, "--suite must be NAME or NAME=PATH, got 'advbench='"),
        ({"task": "x=y"}, "--task must be one of word_problems, gsm8k, samsum, file, got 'x'"),
        ({"task": "word_problems=x"}, "--task word_problems=x: word_problems reads no file"),
        ({"judges": ["x"]}, "--judge must be one of keyword, refusal, rules, llm, classifier, guard, got"),
        ({"judges": [""]}, "--judge must be NAME or 'NAME FIELD=VALUE ...', got ''"),
        ({"judges": ["llm 'x"]}, "--judge must be NAME or"),
        ({"judges": ["llm"]}, "--judge llm: defaults: model: required field is missing"),
        ({"suites": ["probe", "probe"]}, "must be suites with labels that differ"),
    ],
)
def test_invalid_values_are_refused(options: Any, rule: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config(**options)
    assert rule in str(caught.value)
    assert str(caught.value).isprintable()


def test_values_are_one_line_of_yaml(tmp_path: Path) -> None:
    (assignment,) = assignments(["advbench=x\ny"], None, [])
    assert "\n" not in assignment
    assert json.loads(assignment.partition("=")[2])["path"] == "x\ny"
