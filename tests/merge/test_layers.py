"""SafeMERGE's criterion: which layers are moved back, with and without adapters."""

from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from lookahead_ray.config.merge import LayersMerge
from lookahead_ray.config.training import LoraConfig
from lookahead_ray.errors import ModelError
from lookahead_ray.merge import layers
from lookahead_ray.merge.layers import layer_changes, move_drifted, similarity
from lookahead_ray.model.adapters import merge_adapters
from lookahead_ray.train.lora import add_adapters
from tests.model.families import FAMILIES
from tests.toy import toy_model

Weights = dict[str, torch.Tensor]
ALIGNED = "q_proj"  # the layers that the alignment changed


def weights_of(model: Any) -> Weights:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def merge(share: float = 0.0, threshold: float = 0.7) -> LayersMerge:
    return LayersMerge(name="layers", share=share, threshold=threshold, base_path="base")


class TestSimilarity:
    def test_it_is_that_of_the_published_projection(self) -> None:
        torch.manual_seed(0)
        change, alignment = torch.randn(6, 9), torch.randn(6, 9)
        projection = alignment @ alignment.T / alignment.norm()
        expected = torch.nn.functional.cosine_similarity(
            (projection @ change).flatten(), change.flatten(), dim=0
        )
        assert similarity(change, alignment) == pytest.approx(expected.item(), abs=1e-6)

    def test_the_direction_of_the_alignment_is_1(self) -> None:
        column, row = torch.randn(6, 1), torch.randn(1, 9)
        assert similarity(column @ row, column @ torch.randn(1, 9)) == pytest.approx(1, abs=1e-5)

    def test_small_numbers_count_as_much_as_large_ones(self) -> None:
        torch.manual_seed(0)
        change, alignment = torch.randn(6, 9), torch.randn(6, 9)
        small = similarity(1e-9 * change, 1e-9 * alignment)
        assert small == pytest.approx(similarity(change, alignment), rel=1e-4)

    def test_it_is_0_without_anything_in_common(self) -> None:
        change, alignment = torch.zeros(4, 4), torch.zeros(4, 4)
        change[0, 0] = alignment[1, 1] = 1
        assert similarity(change, alignment) == 0
        assert similarity(change, torch.zeros(4, 4)) == similarity(torch.zeros(4, 4), alignment) == 0


def base_of(seed: Weights) -> Weights:
    """Return the weights before an alignment of rank 1 that changed `ALIGNED` layers."""
    torch.manual_seed(5)
    return {
        name: weight - torch.randn(len(weight), 1) @ torch.randn(1, weight.shape[1])
        if ALIGNED in name
        else weight
        for name, weight in seed.items()
    }


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Weights:
    """The base model of `toy_model`, which the merge loads."""
    found = base_of(weights_of(toy_model()))
    monkeypatch.setattr(layers, "LazySeedWeights", lambda config, dtype: found.__getitem__)
    return found


@torch.no_grad()
def train(model: Any, seed: Weights, base: Weights) -> None:
    """Change the first aligned layer in the direction of its alignment, and all other weights at random."""
    torch.manual_seed(7)
    for name, weight in model.named_parameters():
        if name == f"model.layers.0.self_attn.{ALIGNED}.weight":
            weight.add_(0.1 * (seed[name] - base[name]))
        else:
            weight.add_(0.1 * torch.randn_like(weight))


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_only_layers_that_drifted_are_moved(base: Weights, share: float) -> None:
    model = toy_model()
    seed = weights_of(model)
    train(model, seed, base)
    trained = weights_of(model)
    counts = move_drifted(model, seed.__getitem__, merge(share))
    assert counts == {"merge_layers": 14, "merge_moved_layers": 13}
    for name, weight in model.named_parameters():
        stays = "proj" not in name or name == f"model.layers.0.self_attn.{ALIGNED}.weight"
        expected = trained[name] if stays else seed[name] + share * (trained[name] - seed[name])
        assert torch.allclose(weight, expected, atol=1e-6), name
        assert not stays or torch.equal(weight, trained[name])


@pytest.mark.parametrize(("threshold", "moved"), [(0.0, 0), (1.0, 14)])
def test_the_threshold_decides(base: Weights, threshold: float, moved: int) -> None:
    model = toy_model()
    seed = weights_of(model)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    assert move_drifted(model, seed.__getitem__, merge(0.0, threshold))["merge_moved_layers"] == moved


@pytest.mark.parametrize("family", ["llama", "llama, tied", "gpt2, absolute positions"])
def test_adapters_are_judged_like_the_weights_that_they_make(family: str) -> None:
    """Also for GPT-2, which stores its matrices transposed."""
    torch.manual_seed(0)
    seed_model = AutoModelForCausalLM.from_config(FAMILIES[family])
    seed = weights_of(seed_model)

    def adapted() -> Any:
        model: Any = AutoModelForCausalLM.from_config(FAMILIES[family])
        model.load_state_dict(seed_model.state_dict())
        model = add_adapters(model, LoraConfig(rank=2))
        torch.manual_seed(3)
        with torch.no_grad():
            for weight in model.parameters():
                if weight.requires_grad:
                    weight.normal_()
        return model

    changes = {layer.name: layer for layer in layer_changes(adapted(), seed.__getitem__)}
    merged = merge_adapters(adapted())
    found = {layer.name: layer for layer in layer_changes(merged, seed.__getitem__)}
    assert changes.keys() == found.keys() <= seed.keys()
    assert not any("lm_head" in name or "wte" in name for name in found)
    for name, layer in found.items():
        assert torch.allclose(changes[name].change, layer.change, atol=1e-5), name
        assert torch.equal(changes[name].seed, layer.seed)
        assert changes[name].is_transposed == layer.is_transposed == ("gpt2" in family)


def test_adapters_are_scaled_where_they_drifted(base: Weights) -> None:
    def merged(moved: bool) -> Weights:
        model: Any = add_adapters(toy_model(), LoraConfig(rank=2))
        torch.manual_seed(3)
        with torch.no_grad():
            for weight in model.parameters():
                if weight.requires_grad:
                    weight.normal_(std=0.1)
        if moved:
            counts = move_drifted(model, lambda name: pytest.fail(name), merge(0.25, 1.0))
            assert counts == {"merge_layers": 14, "merge_moved_layers": 14}
        return weights_of(merge_adapters(model))

    seed, before, after = weights_of(toy_model()), merged(False), merged(True)
    for name, weight in after.items():
        assert torch.allclose(weight, seed[name] + 0.25 * (before[name] - seed[name]), atol=1e-6), name


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (
            lambda base, seed: base.update(seed),
            "must be the model from which model.path was aligned",
        ),
        (lambda base, seed: base.clear(), "got base, which lacks model.layers.0.self_attn.q_proj.weight"),
        (
            lambda base, seed: base.update({name: torch.zeros(3, 3) for name in base}),
            "got base, whose model.layers.0.self_attn.q_proj.weight has the shape [3, 3]",
        ),
    ],
    ids=["the same", "other layers", "other shapes"],
)
def test_a_base_model_that_does_not_suit(base: Weights, change: Any, rule: str) -> None:
    model = toy_model()
    seed = weights_of(model)
    train(model, seed, base)
    change(base, seed)
    with pytest.raises(ModelError) as caught:
        move_drifted(model, seed.__getitem__, merge())
    assert str(caught.value).startswith("merge.base_path: must be ")
    assert rule in str(caught.value)


def test_an_untrained_model_stays(base: Weights) -> None:
    model = toy_model()
    seed = weights_of(model)
    assert move_drifted(model, seed.__getitem__, merge())["merge_layers"] == 0
    assert all(torch.equal(weight, seed[name]) for name, weight in model.named_parameters())
