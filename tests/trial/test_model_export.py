"""Exported models load in other programs and give the same answers as the trained ones."""

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from lookahead_ray.config.model import ModelConfig
from lookahead_ray.config.training import LoraConfig, TrainingConfig
from lookahead_ray.errors import TrialError
from lookahead_ray.model.adapters import merge_adapters
from lookahead_ray.model.chat_settings import render_chat
from lookahead_ray.model.load import load_model, load_tokenizer
from lookahead_ray.train.model import prepare_model
from lookahead_ray.trial.job import Saving
from lookahead_ray.trial.model_export import LAST_FILE, check_directory, write_model
from tests.tiny import make_model

IDS = torch.tensor([[5, 6, 7, 8]])


@pytest.fixture
def source(tmp_path: Path) -> ModelConfig:
    return ModelConfig(path=str(make_model(tmp_path / "seed")))


def trained(source: ModelConfig, dtype: torch.dtype, **training: Any) -> Any:
    """Return the prepared model with changed trainable weights."""
    model = prepare_model(load_model(source, dtype), TrainingConfig(**training))
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) * 0.05)
    return model


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model.eval()(input_ids=IDS).logits.float()
    return found


def test_chats_are_written_as_in_training(tmp_path: Path, source: ModelConfig) -> None:
    template = tmp_path / "mine.jinja"
    template.write_text(
        "\n  {% for m in messages %}{{ m.role }} {{ m.content }}<|end|>\n{% endfor %}"
        "{% if add_generation_prompt %}{{ who }}{{ styles[0].tone }}{% if deep %} thinks{% endif %}:"
        "{% endif %}"
    )
    values = {"who": 'it\'s {"me"} \n 数', "styles": [{"tone": " calm", "none": None}], "deep": False}
    seed = source.model_copy(update={"chat_template": str(template), "chat_template_kwargs": values})
    tokenizer = load_tokenizer(seed)
    chat = [{"role": "user", "content": "Hi"}]
    written = render_chat(tokenizer, chat, add_generation_prompt=True)
    assert 'it\'s {"me"} \n 数 calm:' in written
    for adapter in (False, True):
        saving = Saving(str(tmp_path / f"out-{adapter}"), adapter=adapter)
        write_model(load_model(source, torch.float32), tokenizer, saving)
        theirs = AutoTokenizer.from_pretrained(saving.directory)
        options: dict[str, Any] = {"tokenize": False, "add_generation_prompt": True}
        assert theirs.apply_chat_template(chat, **options) == written
        assert theirs.apply_chat_template(chat, **options, deep=True).endswith(" calm thinks:")
        ours = load_tokenizer(ModelConfig(path=saving.directory))
        assert render_chat(ours, chat, add_generation_prompt=True) == written
        again = load_tokenizer(seed.model_copy(update={"path": saving.directory, "chat_template": None}))
        assert render_chat(again, chat, add_generation_prompt=True) == written
    assert render_chat(tokenizer, chat, add_generation_prompt=True) == written
    assert "not defined" not in tokenizer.chat_template


@pytest.mark.parametrize("lora", [None, LoraConfig(rank=4)], ids=["full", "lora"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_whole_models(tmp_path: Path, source: ModelConfig, lora: LoraConfig | None, dtype: Any) -> None:
    model = trained(source, dtype, lora=lora)
    before = logits(model)
    model = merge_adapters(model)
    saving = Saving(str(tmp_path / "out"), adapter=False)
    write_model(model, load_tokenizer(source), saving)
    read = AutoModelForCausalLM.from_pretrained(saving.directory, attn_implementation="sdpa")
    assert read.dtype == dtype
    assert torch.equal(logits(read), logits(model))
    assert logits(read) == pytest.approx(before, abs=1e-5 if dtype == torch.float32 else 0.1)
    assert not torch.allclose(before, logits(load_model(source, dtype)), atol=0.05)
    assert {file.name for file in Path(saving.directory).glob("*.safetensors")} == {"model.safetensors"}
    assert (Path(saving.directory) / LAST_FILE).is_file()
    turns = [{"role": "user", "content": "Hi"}]
    templates = [AutoTokenizer.from_pretrained(path) for path in (source.path, saving.directory)]
    one, two = (found.apply_chat_template(turns, tokenize=False) for found in templates)
    assert one == two


def test_adapters_alone(tmp_path: Path, source: ModelConfig) -> None:
    model = trained(source, torch.float32, lora=LoraConfig(rank=4))
    saving = Saving(str(tmp_path / "out"), adapter=True)
    write_model(model, load_tokenizer(source), saving)
    assert {file.name for file in Path(saving.directory).glob("*.safetensors")} == {
        "adapter_model.safetensors"
    }
    read = PeftModel.from_pretrained(load_model(source, torch.float32), saving.directory)
    assert logits(read) == pytest.approx(logits(model), abs=1e-5)


@pytest.mark.parametrize("adapter", [False, True])
def test_the_last_file_is_written_after_all_others(
    tmp_path: Path, source: ModelConfig, adapter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`LAST_FILE` means that a model is complete: by then no file is missing or only in memory."""
    saving = Saving(str(tmp_path / "out"), adapter=adapter)
    Path(saving.directory).mkdir()
    model = trained(source, torch.float32, lora=LoraConfig(rank=4))
    synced: set[int] = set()
    there: list[set[str]] = []
    sync, replace = os.fsync, os.replace

    def synchronise(descriptor: int) -> None:
        synced.add(os.fstat(descriptor).st_ino)
        sync(descriptor)

    def move(old: Any, new: Any) -> None:
        replace(old, new)
        assert Path(new).stat().st_ino in synced
        there.append({path.name for path in Path(saving.directory).iterdir() if path.is_file()})

    monkeypatch.setattr(os, "fsync", synchronise)
    monkeypatch.setattr(os, "replace", move)
    write_model(model if adapter else merge_adapters(model), load_tokenizer(source), saving)
    monkeypatch.undo()
    found = {path.name for path in Path(saving.directory).iterdir()}
    assert there[-1] == found
    assert {"tokenizer.json", LAST_FILE} <= found
    assert all(LAST_FILE not in names for names in there[:-1])
    assert Path(saving.directory).stat().st_ino in synced


def test_a_file_system_that_cannot_sync_directories(
    tmp_path: Path, source: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def refuses(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", refuses)
    saving = Saving(str(tmp_path / "out"), adapter=False)
    write_model(load_model(source, torch.float32), load_tokenizer(source), saving)
    assert (Path(saving.directory) / LAST_FILE).is_file()


@pytest.mark.parametrize("part", ["model", "tokenizer"])
def test_half_a_model_has_no_last_file(
    tmp_path: Path, source: ModelConfig, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    saving = Saving(str(tmp_path / "out"), adapter=False)
    Path(saving.directory).mkdir()
    model, tokenizer = load_model(source, torch.float32), load_tokenizer(source)
    written = model if part == "model" else tokenizer
    plain = written.save_pretrained

    def fails(folder: Any, **options: Any) -> None:
        plain(folder, **options)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(written, "save_pretrained", fails)
    with pytest.raises(OSError, match="No space left"):
        write_model(model, tokenizer, saving)
    assert not (Path(saving.directory) / LAST_FILE).exists()


def test_small_updates_survive_the_merge(source: ModelConfig) -> None:
    """In bf16 arithmetic an update of a thousandth of a weight mostly rounds to nothing."""
    model = prepare_model(load_model(source, torch.bfloat16), TrainingConfig(lora=LoraConfig(rank=4)))
    layer = model.base_model.model.model.layers[0].mlp.up_proj
    with torch.no_grad():
        for part in (layer.lora_A.default, layer.lora_B.default):
            part.weight.fill_(0.02)
    low, high = (part.default.weight.detach().double() for part in (layer.lora_A, layer.lora_B))
    exact = layer.base_layer.weight.detach().double() + layer.scaling["default"] * high @ low
    assert torch.equal(
        merge_adapters(model).model.layers[0].mlp.up_proj.weight.detach(), exact.float().to(torch.bfloat16)
    )


def test_a_directory_of_another_machine_is_refused(tmp_path: Path) -> None:
    check_directory(Saving(str(tmp_path), adapter=False))
    with pytest.raises(
        TrialError, match=r"--output must be on a disk that all machines share; .* has no .*x"
    ):
        check_directory(Saving(str(tmp_path / "x"), adapter=False))
