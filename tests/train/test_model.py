"""Adapters and checkpointing follow the configuration."""

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    GPTBigCodeConfig,
    OPTConfig,
    PreTrainedConfig,
    Starcoder2Config,
)

from lookahead_ray.config.training import LoraConfig, TrainingConfig
from lookahead_ray.train import packed_attention
from lookahead_ray.train.batches import collate
from lookahead_ray.train.model import answer_logits, prepare_model
from tests.toy import VOCAB, toy_model
from tests.train.reference import make_rows

MICRO = collate(make_rows(3), pad_id=0, model=toy_model())


def test_all_weights_are_trained_without_adapters() -> None:
    model = prepare_model(toy_model(), TrainingConfig())
    assert all(weight.requires_grad for weight in model.parameters())
    assert model.config._attn_implementation == packed_attention.NAME


def test_adapters_start_at_zero_and_only_they_are_trained() -> None:
    before = answer_logits(toy_model(), MICRO)
    config = TrainingConfig(lora=LoraConfig(rank=4, target_modules=("q_proj", "v_proj")))
    model = prepare_model(toy_model().to(torch.bfloat16), config)
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    assert len(trained) == 2 * 2 * 2  # A and B of two matrices in two layers
    assert all("lora_" in name and 4 in weight.shape for name, weight in trained.items())
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}
    with model.disable_adapter():
        assert torch.allclose(answer_logits(model, MICRO).float(), before, atol=0.3)


def test_all_linear_adapts_each_layer_but_the_head() -> None:
    model = prepare_model(toy_model(), TrainingConfig(lora=LoraConfig()))
    adapted = {name.split(".lora_")[0] for name, w in model.named_parameters() if w.requires_grad}
    assert len(adapted) == 2 * 7
    assert not any("lm_head" in name or "embed" in name for name in adapted)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_nothing_is_dropped_while_training(attention: str) -> None:
    model = toy_model(attention_dropout=0.5)
    expected = answer_logits(model, MICRO)
    model.lm_head = torch.nn.Sequential(torch.nn.Dropout(0.5), model.lm_head)
    model = prepare_model(model, TrainingConfig()).train()
    model.set_attn_implementation(attention)
    torch.testing.assert_close(answer_logits(model, MICRO), expected)


@pytest.mark.parametrize("kind", [OPTConfig, BloomConfig, GPTBigCodeConfig, Starcoder2Config])
def test_nothing_is_dropped_by_architectures_without_dropout_modules(kind: type[PreTrainedConfig]) -> None:
    made = kind()
    names = [name for name, value in vars(made).items() if "drop" in name and isinstance(value, float)]
    shape = {"vocab_size": VOCAB, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    inner = {
        OPTConfig: {"ffn_dim": 64, "word_embed_proj_dim": 32},
        Starcoder2Config: {"intermediate_size": 64},
    }
    config = kind(**shape, **inner.get(kind, {}), **dict.fromkeys(names, 0.5))
    model = prepare_model(AutoModelForCausalLM.from_config(config).float(), TrainingConfig())
    expected = answer_logits(model.eval(), MICRO)
    torch.testing.assert_close(answer_logits(model.train(), MICRO), expected)
    assert names == [name for name in names if getattr(model.config, name) == 0.5]


@pytest.mark.parametrize("lora", [None, LoraConfig(rank=2)])
def test_checkpointing_changes_no_gradient(lora: LoraConfig | None) -> None:
    gradients = []
    for checkpointing in (False, True):
        model = toy_model()
        torch.manual_seed(1)
        config = TrainingConfig(lora=lora, gradient_checkpointing=checkpointing)
        model = prepare_model(model, config).train()
        answer_logits(model, MICRO).square().mean().backward()
        gradients.append([weight.grad for weight in model.parameters() if weight.requires_grad])
    assert all(gradient is not None for gradient in gradients[1])
    for plain, checkpointed in zip(*gradients, strict=True):
        torch.testing.assert_close(plain, checkpointed)


@pytest.mark.parametrize(
    ("every", "layers"), [(True, [0, 1, 2, 3, 4]), (2, [0, 2, 4]), (3, [0, 3]), (9, [0])]
)
def test_every_nth_layer_is_checkpointed(every: bool | int, layers: list[int]) -> None:
    model = toy_model()
    model.config.num_hidden_layers = 5
    plain, checkpointed = (
        prepare_model(type(model)(model.config), TrainingConfig(gradient_checkpointing=value)).train()
        for value in (False, every)
    )
    checkpointed.load_state_dict(plain.state_dict())
    found = [index for index, layer in enumerate(checkpointed.model.layers) if layer.gradient_checkpointing]
    assert found == layers
    for each in (plain, checkpointed):
        answer_logits(each, MICRO).square().mean().backward()
    for weight, other in zip(plain.parameters(), checkpointed.parameters(), strict=True):
        torch.testing.assert_close(weight.grad, other.grad)
