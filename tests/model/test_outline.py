"""Models are built without weights, and what loading would refuse is refused before."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from lookahead_ray.config.model import ModelConfig
from lookahead_ray.errors import HubModelError, ModelError
from lookahead_ray.model.load import load_model, load_tokenizer
from lookahead_ray.model.outline import outline_model
from tests.model.families import FAMILIES
from tests.tiny import make_model


def change_config(folder: Path, **settings: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))


def test_it_has_the_shapes_and_no_weights(tmp_path: Path) -> None:
    config = ModelConfig(path=str(make_model(tmp_path / "m")))
    outline, model = outline_model(config), load_model(config, torch.float32)
    assert outline.parameters == model.num_parameters()
    assert outline.model.device.type == "meta"
    assert outline.context == model.config.max_position_embeddings
    assert outline_model(config) is outline
    change_config(tmp_path / "m", max_position_embeddings=99)
    assert outline_model(config).context == 99


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"num_hidden_layers": 3}, "its weight files lack 9 of the"),
        ({"vocab_size": 400}, "model.embed_tokens.weight has the shape"),
        ({"hidden_size": 33}, "can't be"),
        ({"quantization_config": {"quant_method": "hqq"}}, "is a quantized checkpoint (hqq)"),
        ({"model_type": "bert"}, "is not a causal language model (its architecture is bert)"),
    ],
)
def test_a_configuration_that_does_not_suit(tmp_path: Path, settings: dict[str, object], rule: str) -> None:
    folder = make_model(tmp_path / "m")
    change_config(folder, **settings)
    with pytest.raises(ModelError) as caught:
        outline_model(ModelConfig(path=str(folder)))
    assert rule in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_hub_model_that_can_not_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubModelError, match=r"^model\.path: no-one/has-this can't be loaded"):
        outline_model(ModelConfig(path="no-one/has-this"))


def test_a_padding_token_outside_the_embedding_is_replaced(tmp_path: Path) -> None:
    folder = make_model(tmp_path / "m")
    rows = 319  # of 320: the last token pads
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    tokenizer = load_tokenizer(ModelConfig(path=str(folder)))
    settings["pad_token"] = tokenizer.convert_ids_to_tokens(len(tokenizer) - 1)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    outside = load_tokenizer(ModelConfig(path=str(folder))).pad_token_id
    sizes: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    LlamaForCausalLM(LlamaConfig(vocab_size=outside, **sizes)).save_pretrained(folder)
    loaded = load_tokenizer(ModelConfig(path=str(folder)))
    assert outside <= rows
    assert loaded.pad_token == loaded.eos_token


@pytest.mark.parametrize("name", FAMILIES)
def test_every_architecture_has_an_outline(tmp_path: Path, name: str) -> None:
    from tests.model.test_contract import saved

    config = saved(name, tmp_path)
    assert outline_model(config).parameters == load_model(config, torch.float32).num_parameters()
