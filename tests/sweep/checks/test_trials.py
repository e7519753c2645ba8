"""Trials that can't run are refused before a model is loaded, naming the field."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import MambaConfig, MambaForCausalLM

from lookahead_ray.config.load import load_sweep
from lookahead_ray.config.model import ModelConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.data.example import Example
from lookahead_ray.errors import LookaheadRayError
from lookahead_ray.model.outline import outline_model
from lookahead_ray.sweep.checks import training_rows
from lookahead_ray.sweep.checks.training_rows import measure_rows
from lookahead_ray.sweep.preflight import Preflight, check
from tests.tiny import make_model, make_tokenizer


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One token per byte or nearly so, and a context of 2,048 tokens."""
    return make_model(tmp_path_factory.mktemp("made") / "model")


def write_rows(folder: Path, sizes: list[tuple[int, int]]) -> Path:
    """Write rows with instructions and answers of these numbers of bytes."""
    file = folder / "rows.jsonl"
    rows = [{"in": "Q" * question, "out": chr(97 + n) * answer} for n, (question, answer) in enumerate(sizes)]
    # different texts, as equal rows are not drawn twice
    lines = [json.dumps({**row, "in": f"{n:04d} {row['in']}"}) for n, row in enumerate(rows)]
    file.write_text("\n".join(lines) + "\n")
    return file


def found(folder: Path, model: Path, rows: Path | None = None, *settings: str, **options: Any) -> Preflight:
    task: dict[str, Any] = {"name": "word_problems", "train_examples": 8, "test_examples": 4}
    if rows:
        fields = {"instruction": "in", "answer": "out"}
        task = {"name": "file", "train_path": str(rows), "train_examples": None, "test_examples": 2}
        task |= {"fields": fields, "metric": {"name": "rouge1"}, "system": None}
    space = {
        "model": {"path": str(model)},
        "task": task,
        "safety": {"harmful_prompts": 4, "benign_prompts": 2},
        "preview": {"strategy": "true", "length_tokens": {"int": [1, 3]}},
        "evaluation": {"task_new_tokens": 64, "safety_new_tokens": 64},
    }
    path = folder / "space.yaml"
    path.write_text(json.dumps(space))
    return check(load_sweep(path, settings), **options)


def refusal(*arguments: Any, **options: Any) -> str:
    with pytest.raises(LookaheadRayError) as caught:
        found(*arguments, **options)
    assert str(caught.value).isprintable()
    return str(caught.value).partition("space.yaml: ")[2]


def test_cut_answers_are_counted(tmp_path: Path, model: Path) -> None:
    rows = write_rows(tmp_path, [(20, 30)] * 6 + [(20, 700)] * 6)
    (remark,) = found(tmp_path, model, rows).remarks
    count = int(remark.removeprefix("task file: ").split()[0])
    assert 4 <= count <= 6  # two rows are held out
    assert "of 10 training rows lose the end of their answer, as they exceed training.max_length" in remark
    assert "are left out" in found(tmp_path, model, rows, "training.too_long=skip").remarks[0]
    assert refusal(tmp_path, model, rows, "training.too_long=refuse").startswith(
        "training.max_length: must be at least 7"
    )
    assert found(tmp_path, model, rows, "training.max_length=1024").remarks == []
    assert found(tmp_path, model, rows, "training.too_long=refuse", trains=False).remarks == []


def test_prompts_that_leave_no_room(tmp_path: Path, model: Path) -> None:
    rows = write_rows(tmp_path, [(20, 30)] * 9 + [(900, 30)] * 9)
    message = refusal(tmp_path, model, rows)
    assert message.startswith("training.max_length: must leave room for an answer, but the prompts of ")
    assert "of 16 training rows fill it (the longest has 9" in message
    assert "are left out" in found(tmp_path, model, rows, "training.too_long=skip").remarks[0]


def write_chats(folder: Path, exchanges: int) -> Path:
    """Write chats whose texts are so short that most of their tokens are the template's."""
    answered = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    chats = [[{"role": "user", "content": f"{n:02d}"}, answered[1], *answered * exchanges] for n in range(6)]
    file = folder / "chats.jsonl"
    file.write_text("".join(json.dumps({"chat": chat}) + "\n" for chat in chats))
    return file


def test_the_templates_tokens_of_each_turn_count(tmp_path: Path, model: Path) -> None:
    rows = write_chats(tmp_path, 50)  # 203 bytes of texts
    chats = "task.fields={messages: chat, instruction: null}"
    assert "of 4 training rows fill it" in refusal(tmp_path, model, rows, chats)
    rows = write_chats(tmp_path, 200)
    settings = (chats, "training.max_length=4096", "evaluation.signal_examples=0")
    assert refusal(tmp_path, model, rows, *settings).startswith("model.path: the model's context is 2048 ")


def test_a_row_in_another_script_among_longer_english_ones(tmp_path: Path) -> None:
    english = [Example(None, f"{n} ", "a plain word " * 20) for n in range(400)]  # about 70 tokens
    thai = Example(None, "", "\N{THAI CHARACTER KO KAI}" * 80)
    outline = outline_model(ModelConfig())
    settings = {"training": {"max_length": 160}, "preview": {"strategy": "none"}}
    config = TrialConfig.model_validate({"task": {"name": "word_problems"}, **settings})
    found = measure_rows(config, outline, [*english, thai], [])
    assert (found.longer, found.at_least) == (1, False)


def test_rows_beyond_those_that_are_tokenised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_rows, "MOST_RENDERED", 4)
    english = [Example(None, f"{n} ", "a plain word " * 60) for n in range(9)]
    thai = Example(None, "", "\N{THAI CHARACTER KO KAI}" * 80)
    settings = {"training": {"max_length": 160}, "preview": {"strategy": "none"}}
    config = TrialConfig.model_validate({"task": {"name": "word_problems"}, **settings})
    found = measure_rows(config, outline_model(ModelConfig()), [*english, thai], [])
    assert str(found.describe("cut")).startswith("at least 4 of 10 training rows lose the end")


def test_a_preview_counts(tmp_path: Path, model: Path) -> None:
    rows = write_rows(tmp_path, [(400, 80)] * 6)
    assert found(tmp_path, model, rows, "preview={strategy: none}").remarks == []
    assert "4 of 4 training rows lose" in found(tmp_path, model, rows).remarks[0]


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ("evaluation.task_new_tokens=2048", "evaluation.task_new_tokens: must leave room in the model's"),
        ("evaluation.safety_new_tokens=2040", "evaluation.safety_new_tokens: must leave room in the model's"),
        ("evaluation.safety_max_tokens=2047", "evaluation.safety_max_tokens: must leave room in the model's"),
        ("evaluation.kl_tokens=2040", "evaluation.kl_tokens: must leave room in the model's context of 2048"),
        ("method={name: sdft, new_tokens: 2040}", "method.new_tokens: must leave room in the model's"),
        ("training.lora={target_modules: [query]}", "training.lora.target_modules: must name linear layers"),
        ("training.liger=true", "training.liger: must be false where liger-kernel is not installed"),
    ],
)  # fmt: skip
def test_the_field_is_named(tmp_path: Path, model: Path, setting: str, rule: str) -> None:
    assert refusal(tmp_path, model, None, setting).startswith(rule)


def test_layers_that_peft_refuses_are_not_adapted_by_all_linear(tmp_path: Path) -> None:
    tokenizer, folder = make_tokenizer(), tmp_path / "model"
    config = MambaConfig(vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, state_size=8)
    MambaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    message = refusal(tmp_path, folder, None, "training.lora={rank: 4}")
    layers = "in_proj, x_proj, dt_proj, out_proj, lm_head"
    rule = f"must name linear layers of the model, which has {layers}, got 'all-linear' (["
    assert message.startswith(f"training.lora.target_modules: {rule}")
    assert "Module 'out_proj' is incompatible" in message
    assert found(tmp_path, folder, None, "training.lora={target_modules: [in_proj, x_proj]}")


def test_rows_longer_than_the_context(tmp_path: Path, model: Path) -> None:
    rows = write_rows(tmp_path, [(20, 3000)] * 6)
    settings = ("training.max_length=4096", "evaluation.signal_examples=0")
    assert refusal(tmp_path, model, rows, *settings).startswith("training.max_length: 4096 lets rows be of 3")


def test_an_end_token_outside_the_embedding(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "model")
    file = folder / "tokenizer.json"
    settings = json.loads(file.read_text())
    outside = {**settings["added_tokens"][2], "id": 900, "content": "<|stop|>"}
    settings["added_tokens"].append(outside)
    file.write_text(json.dumps(settings))
    config = folder / "tokenizer_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"eos_token": "<|stop|>"}))
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("<|end|>", "<|stop|>"))
    assert "<|stop|>" in refusal(tmp_path, folder)
    assert "but the model's embedding has " in refusal(tmp_path, folder)
