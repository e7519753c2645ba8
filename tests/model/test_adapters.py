"""A directory with only a LoRA adapter is used with its base model, or refused with the way out."""

import json
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from lookahead_ray.config.model import ModelConfig
from lookahead_ray.errors import ModelError
from lookahead_ray.model import adapters
from lookahead_ray.model.embedded import unaligned_dir
from lookahead_ray.model.load import check_model, load_model, load_tokenizer, model_hash
from lookahead_ray.model.outline import outline_model
from tests.tiny import make_model

IDS = torch.tensor([[4, 5, 6, 7]])


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return make_model(tmp_path / "base")


def save_adapter(base: Path, folder: Path, **settings: object) -> torch.Tensor:
    """Save an adapter with random weights, without a tokenizer; return the logits of both together."""
    torch.manual_seed(1)
    model = load_model(ModelConfig(path=str(base)), torch.float32)
    changes = {"target_modules": ["q_proj", "down_proj"], "r": 4, "init_lora_weights": False} | settings
    adapted = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **changes))  # type: ignore[arg-type]
    adapted.eval()
    with torch.no_grad():
        logits: torch.Tensor = adapted(input_ids=IDS).logits
    adapted.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    return logits


def change(folder: Path, **settings: object) -> None:
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))


def test_an_adapter_is_merged_into_its_base_model(base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    expected = save_adapter(base, folder)
    config = ModelConfig(path=str(folder))
    assert check_model(config) == f"{folder} (adapter on {base} (model.safetensors))"
    assert outline_model(config).parameters == outline_model(ModelConfig(path=str(base))).parameters
    assert load_tokenizer(config).chat_template
    model = load_model(config, torch.float32)
    with torch.no_grad():
        assert torch.allclose(model(input_ids=IDS).logits, expected, atol=1e-4)
    assert not hasattr(model, "peft_config")
    assert all(weight.requires_grad for weight in model.parameters())
    assert model_hash(config) != model_hash(ModelConfig(path=str(base)))


@pytest.mark.parametrize("way", ["pissa", "olora", "eva"])
def test_the_way_in_which_its_training_began_is_no_obstacle(base: Path, tmp_path: Path, way: str) -> None:
    """Those that take numbers from the base model's weights have none where shapes are checked."""
    folder = tmp_path / "adapter"
    expected = save_adapter(base, folder, init_lora_weights=False if way == "eva" else way)
    if way == "eva":
        change(folder, init_lora_weights=way, eva_config={"rho": 2.0})
    config = ModelConfig(path=str(folder))
    assert outline_model(config).parameters == outline_model(ModelConfig(path=str(base))).parameters
    with torch.no_grad():
        assert torch.allclose(load_model(config, torch.float32)(input_ids=IDS).logits, expected, atol=1e-4)


def test_the_base_is_found_next_to_the_adapter(base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    save_adapter(base, folder)
    change(folder, base_model_name_or_path="../base")
    assert outline_model(ModelConfig(path=str(folder))).embedding_rows


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"base_model_name_or_path": "/none/there"}, "its base model '/none/there' is not on this machine"),
        ({"base_model_name_or_path": None}, "that names no base model"),
        ({"base_model_name_or_path": "."}, "that names itself as its base model"),
        ({"peft_type": "IA3"}, "of the kind IA3, and only LORA is merged here"),
        ({"r": 8}, "does not fit its base model: "),
        ({"target_modules": ["q_proj", "up_proj"]}, "does not fit its base model: it lacks "),
        ({"target_modules": ["qkv"]}, "does not fit its base model: "),
    ],
)
def test_one_that_does_not_fit_is_refused(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, object], rule: str
) -> None:
    folder = tmp_path / "adapter"
    save_adapter(base, folder)
    change(folder, **settings)
    monkeypatch.chdir(folder)
    with pytest.raises(ModelError) as caught:
        outline_model(ModelConfig(path=str(folder)))
    message = str(caught.value)
    assert rule in message
    assert message.isprintable()
    assert "merge it into its base model" in message


def test_a_base_that_can_not_be_loaded_is_named(base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    save_adapter(base, folder)
    (base / "config.json").write_text("{}")
    rule = f"{folder} is a LoRA adapter whose base model can't be used ({base} can't be loaded"
    with pytest.raises(ModelError) as caught:
        outline_model(ModelConfig(path=str(folder)))
    assert rule in str(caught.value)


def test_an_adapter_next_to_a_configuration_is_ambiguous(base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    save_adapter(base, folder)
    (folder / "config.json").write_text((base / "config.json").read_text())
    with pytest.raises(ModelError, match="only the weights of an adapter"):
        check_model(ModelConfig(path=str(folder)))


def test_rounding_to_bf16_is_no_change_of_the_logits(tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(unaligned_dir())
    adapted = get_peft_model(base, LoraConfig(r=8, lora_alpha=16, target_modules="all-linear"))
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.01)
    adapted.save_pretrained(folder)
    assert load_model(ModelConfig(path=str(folder)), torch.bfloat16).dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_merge_that_changes_the_logits_is_refused(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
) -> None:
    folder = tmp_path / "adapter"
    save_adapter(base, folder, lora_alpha=64)
    monkeypatch.setattr(adapters, "merge_adapters", lambda model: model.unload())
    with pytest.raises(ModelError, match="without a change of its logits"):
        load_model(ModelConfig(path=str(folder)), dtype)


def test_an_adapter_of_a_base_with_further_tokens_is_refused(base: Path, tmp_path: Path) -> None:
    model = load_model(ModelConfig(path=str(base)), torch.float32)
    words = model.get_input_embeddings().num_embeddings
    model.resize_token_embeddings(words + 1)
    adapted = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj"], r=4))
    adapted.save_pretrained(tmp_path / "adapter", save_embedding_layers=True)
    change(tmp_path / "adapter", base_model_name_or_path=str(base))
    with pytest.raises(ModelError, match=rf"shape \[{words + 1}, .*resize the base in the same way"):
        outline_model(ModelConfig(path=str(tmp_path / "adapter")))
