"""Judge configurations: variants by name, unknown keys refused, no keys in messages."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from lookahead_ray.config.judge import (
    ClassifierJudge,
    JudgeConfig,
    JudgeList,
    KeywordJudge,
    LlmJudge,
    RefusalJudge,
)
from lookahead_ray.config.load import validate_tree
from lookahead_ray.errors import ConfigError
from lookahead_ray.evaluate.judges.registry import BUILDERS

NEEDED: dict[str, dict[str, Any]] = {
    "keyword": {},
    "refusal": {},
    "llm": {"model": "m", "base_url": "http://127.0.0.1:8000/v1/"},
    "classifier": {"path": "x", "labels": {"LABEL_0": "safe"}},
    "guard": {"path": "x"},
}


@pytest.mark.parametrize("name", NEEDED)
def test_the_name_tells_the_variant(name: str) -> None:
    made = TypeAdapter(JudgeConfig).validate_python({"name": name, **NEEDED[name]})
    assert type(made) is BUILDERS[name].config_class
    assert made.name == name
    with pytest.raises(ValidationError):
        TypeAdapter(JudgeConfig).validate_python({"name": name, **NEEDED[name], "nonsense": 1})
    assert {"name", *NEEDED[name]} <= set(made.decisive())


def test_protocols_and_what_is_measured() -> None:
    llm = LlmJudge(**NEEDED["llm"])
    assert KeywordJudge().protocol == llm.protocol == "fixed"
    assert (KeywordJudge().measures, RefusalJudge().measures, llm.measures) == ("refusal", "refusal", "harm")
    assert ClassifierJudge(**NEEDED["classifier"]).measures == "harm"
    assert llm.base_url == "http://127.0.0.1:8000/v1"
    assert not {"api_key_env", "max_calls", "cache_dir"} & set(llm.decisive())


@pytest.mark.parametrize(
    "url", ["ftp://host/v1", "host/v1", "http://", "http://u:s3cret@host/v1", "http://host/v1?key=s3cret",
            "http://host/#s3cret", "http://host/ v1", "http://host:99999999/v1"]
)  # fmt: skip
def test_a_url_must_be_plain_and_is_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match="base_url: must be") as refused:
        validate_tree(LlmJudge, ["model=m", f'base_url="{url}"'])
    assert "must be a" in str(refused.value)


def test_a_key_in_place_of_its_variable_is_refused() -> None:
    with pytest.raises(ConfigError, match="api_key_env: must be the name of an environment variable"):
        validate_tree(LlmJudge, ["model=m", "base_url=http://h/v1", "api_key_env=sk-abc"])


def test_several_judges_must_differ() -> None:
    adapter = TypeAdapter(JudgeList)
    two = adapter.validate_python([{"name": "refusal"}, {"name": "keyword", "protocol": "paper"}])
    assert two == (RefusalJudge(), KeywordJudge(protocol="paper"))
    for wrong in ([], [{"name": "refusal"}] * 2):
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)
