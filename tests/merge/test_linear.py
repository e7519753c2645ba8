"""Linear interpolation of weights and of adapters."""

from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from lookahead_ray.config.merge import LinearMerge
from lookahead_ray.config.training import LoraConfig
from lookahead_ray.merge.linear import move_all
from lookahead_ray.model.adapters import merge_adapters
from lookahead_ray.train.lora import add_adapters
from tests.model.families import FAMILIES
from tests.toy import toy_model

Weights = dict[str, torch.Tensor]
DTYPES = (torch.float32, torch.bfloat16)


def weights_of(model: Any) -> Weights:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


@torch.no_grad()
def train(model: Any, scale: float = 0.1) -> None:
    """Change all trained weights at random."""
    torch.manual_seed(1)
    for weight in model.parameters():
        if weight.requires_grad:
            weight.add_(scale * torch.randn_like(weight))


def never(name: str) -> torch.Tensor:
    raise AssertionError(f"{name} must not be loaded")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.75])
def test_every_weight_keeps_its_share_rounded_once(dtype: torch.dtype, share: float) -> None:
    model = toy_model().to(dtype)
    seed = weights_of(model)
    train(model)
    trained = weights_of(model)
    assert move_all(model, seed.__getitem__, LinearMerge(share=share)) == {}
    for name, weight in model.named_parameters():
        exact = seed[name].double() + share * (trained[name].double() - seed[name].double())
        assert weight.dtype == dtype
        if dtype == torch.float32:
            assert torch.allclose(weight.double(), exact, rtol=0, atol=1e-7), name
        else:
            rounding = (weight.double() - exact).abs() / exact.abs().clamp(min=1e-3)
            assert rounding.max() <= 2**-8, name  # half of the distance of two bf16 numbers, and a bit


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_share_of_0_is_the_seed_model_bit_for_bit(dtype: torch.dtype) -> None:
    model = toy_model(tie_word_embeddings=True).to(dtype)
    seed = weights_of(model)
    train(model, 3.0)
    move_all(model, seed.__getitem__, LinearMerge(share=0.0))
    assert all(torch.equal(weight, seed[name]) for name, weight in model.named_parameters())
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_what_training_left_alone_stays_bit_for_bit() -> None:
    model = toy_model()
    seed = weights_of(model)
    move_all(model, seed.__getitem__, LinearMerge(share=0.3))
    assert all(torch.equal(weight, seed[name]) for name, weight in model.named_parameters())


@pytest.mark.parametrize("targets", ["all-linear", ("q_proj", "embed_tokens", "lm_head")])
@pytest.mark.parametrize("family", ["llama", "gpt2, absolute positions"])
def test_adapters_keep_their_share_and_nothing_is_loaded(family: str, targets: Any) -> None:
    if family != "llama" and targets != "all-linear":
        targets = ("c_attn",)
    torch.manual_seed(0)
    seed_model = AutoModelForCausalLM.from_config(FAMILIES[family])
    seed = weights_of(seed_model)

    def merged(share: float | None) -> Weights:
        torch.manual_seed(2)
        model: Any = AutoModelForCausalLM.from_config(FAMILIES[family])
        model.load_state_dict(seed_model.state_dict())
        model = add_adapters(model, LoraConfig(rank=2, target_modules=targets))
        train(model)
        if share is not None:
            move_all(model, never, LinearMerge(share=share))
        return weights_of(merge_adapters(model))

    trained, half, none = merged(None), merged(0.5), merged(0.0)
    assert trained.keys() == seed.keys()
    assert any(not torch.equal(trained[name], seed[name]) for name in seed)
    for name, before in seed.items():
        assert torch.allclose(half[name], (before + trained[name]) / 2, atol=1e-6), name
        assert torch.equal(none[name], before), name
