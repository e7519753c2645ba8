"""A template of one's own, its variables, and the date that it writes."""

import datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from transformers.utils import chat_template_utils

from lookahead_ray.config.model import ModelConfig
from lookahead_ray.data.chat import prompt_ids
from lookahead_ray.errors import ModelError
from lookahead_ray.model.chat_settings import writes_date
from lookahead_ray.model.fingerprint import model_fingerprint
from lookahead_ray.model.load import check_model, load_tokenizer
from tests.chat_families import PLAIN, SWITCHED
from tests.tiny import make_model

DATED = "{% set today = strftime_now('%Y-%m-%d') %}({{ today }}) " + PLAIN


@pytest.fixture
def model(tmp_path: Path) -> str:
    return str(make_model(tmp_path / "model"))


def template(folder: Path, text: str) -> str:
    path = folder / "mine.jinja"
    path.write_text(text, encoding="utf-8")
    return str(path)


def prompt(**fields: Any) -> str:
    tokenizer = load_tokenizer(ModelConfig(**fields))
    return str(tokenizer.decode(prompt_ids(tokenizer, "Hi", None)))


def test_a_file_replaces_the_tokenizers_template(model: str, tmp_path: Path) -> None:
    assert prompt(path=model) == "<|start|>user\nHi<|end|>\n<|start|>assistant\n"
    assert prompt(path=model, chat_template=template(tmp_path, PLAIN)) == "[user]\nHi[stop]\n[assistant]\n"


def test_variables_reach_the_template(model: str, tmp_path: Path) -> None:
    path = template(tmp_path, SWITCHED)
    assert prompt(path=model, chat_template=path).endswith("[assistant]\n<think></think>")
    variables = {"deep": True}
    assert prompt(path=model, chat_template=path, chat_template_kwargs=variables).endswith("[assistant]\n")


def test_a_variable_that_the_template_does_not_read_is_refused(model: str, tmp_path: Path) -> None:
    config = ModelConfig(
        path=model, chat_template=template(tmp_path, SWITCHED), chat_template_kwargs={"depe": True}
    )
    with pytest.raises(ModelError, match=r"^model\.chat_template_kwargs: .* reads \(deep\), got depe$"):
        load_tokenizer(config)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file or directory"),
        ("  ", "it is empty"),
        ("{% for m in messages %}", "line 1 is no valid"),
    ],
)
def test_a_file_that_is_no_template_is_refused(
    model: str, tmp_path: Path, text: str | None, message: str
) -> None:
    path = str(tmp_path / "none") if text is None else template(tmp_path, text)
    config = ModelConfig(path=model, chat_template=path)
    with pytest.raises(ModelError, match=rf"^model\.chat_template: .*{message}"):
        load_tokenizer(config)
    if "Jinja" not in message and "valid" not in message:
        with pytest.raises(ModelError, match=rf"^model\.chat_template: .*{message}"):
            check_model(config)


def test_the_template_is_part_of_the_fingerprint(model: str, tmp_path: Path) -> None:
    config = ModelConfig(path=model, chat_template=template(tmp_path, PLAIN))
    found = [model_fingerprint(ModelConfig(path=model)), model_fingerprint(config)]
    moved = tmp_path / "moved.jinja"
    Path(config.chat_template or "").rename(moved)
    assert model_fingerprint(ModelConfig(path=model, chat_template=str(moved))) == found[1]
    moved.write_text(SWITCHED)
    found.append(model_fingerprint(ModelConfig(path=model, chat_template=str(moved))))
    assert len(set(found)) == 3


def test_new_fields_leave_an_old_configuration_as_it_was() -> None:
    assert ModelConfig().model_dump(mode="json") == {
        "path": "embedded",
        "revision": None,
        "protocol": "fixed",
    }


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"chat_date": "29.11.2026"}, "chat_date must be a date such as 2026-11-29, got 29.11.2026"),
        ({"chat_template_kwargs": {"messages": []}}, "must not set what rendering sets, got messages"),
        ({"chat_template": "t", "protocol": "paper"}, "chat_template must be null with protocol: paper"),
    ],
)
def test_contradictions_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ModelConfig(**fields)


def test_an_unquoted_date_is_a_date() -> None:
    assert ModelConfig.model_validate({"chat_date": datetime.date(2026, 11, 29)}).chat_date == "2026-11-29"


class TestDate:
    def test_is_that_of_the_configuration(self, model: str, tmp_path: Path) -> None:
        path = template(tmp_path, DATED)
        assert prompt(path=model, chat_template=path, chat_date="2020-02-29").startswith("(2020-02-29) ")

    def test_is_fixed_for_a_tokenizer(
        self, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tokenizer = load_tokenizer(ModelConfig(path=model, chat_template=template(tmp_path, DATED)))
        assert writes_date(tokenizer)
        before = prompt_ids(tokenizer, "Hi", None)

        class Tomorrow(datetime.datetime):
            @classmethod
            def now(cls, tz: datetime.tzinfo | None = None) -> "Tomorrow":
                return cls(2031, 1, 2, tzinfo=tz)

        monkeypatch.setattr(chat_template_utils, "datetime", Tomorrow)
        assert prompt_ids(tokenizer, "Hi", None) == before

    def test_is_not_written_by_others(self, model: str) -> None:
        assert not writes_date(load_tokenizer(ModelConfig(path=model)))
