"""Adapters in named layers: names that the model lacks and tied weights are refused."""

import pytest

from lookahead_ray.config.training import LoraConfig
from lookahead_ray.errors import ConfigError
from lookahead_ray.train.lora import adapted_weights, add_adapters
from tests.toy import toy_model


@pytest.mark.parametrize("targets", ["all-linear", ("v_proj",), ("layers.1.mlp.up_proj", "k_proj")])
def test_the_layers_with_adapters_are_known_before(targets: str | tuple[str, ...]) -> None:
    lora = LoraConfig(rank=3, target_modules=targets)
    shapes = [weight.shape for weight in adapted_weights(toy_model(), lora)]
    adapted = add_adapters(toy_model(), lora)
    trained = sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)
    assert sum(3 * sum(shape) for shape in shapes) == trained


@pytest.mark.parametrize(("targets", "got"), [(("q_proj", "c_attn"), "'c_attn'"), (("mlp",), "'mlp' (")])
def test_names_that_can_not_be_adapted(targets: tuple[str, ...], got: str) -> None:
    with pytest.raises(ConfigError) as caught:
        add_adapters(toy_model(), LoraConfig(target_modules=targets))
    rule = "must name linear layers of the model, which has q_proj, k_proj, v_proj, o_proj, gate_proj"
    assert str(caught.value).startswith(f"training.lora.target_modules: {rule}")
    assert f"got {got}" in str(caught.value)


@pytest.mark.parametrize("name", ["lm_head", "embed_tokens"])
def test_tied_weights_get_no_adapter(name: str) -> None:
    lora = LoraConfig(target_modules=("q_proj", name))
    assert add_adapters(toy_model(), lora)
    with pytest.raises(ConfigError, match=f"share their weights .* got '{name}'"):
        add_adapters(toy_model(tie_word_embeddings=True), lora)
