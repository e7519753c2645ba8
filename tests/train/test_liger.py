"""Liger's kernels compute the training passes alone, and leave nothing behind."""

import importlib.util
import os
import sys
from collections.abc import Callable
from types import MethodType, ModuleType
from typing import Any

import pytest
import torch
import transformers.integrations.liger
from pydantic import ValidationError
from transformers.models.llama import modeling_llama

from lookahead_ray.config.training import LoraConfig, TrainingConfig
from lookahead_ray.errors import TrialError
from lookahead_ray.train import liger
from lookahead_ray.train.compilation import is_wanted
from lookahead_ray.train.liger import check_liger, find_liger_obstacle, liger_kernels
from lookahead_ray.train.model import prepare_model
from tests.toy import toy_model
from tests.train.reference import make_rows
from tests.train.test_packing import gradients

pytestmark = pytest.mark.usefixtures("group")

LIGER = TrainingConfig(liger=True)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand in for the package, as it replaces things; return the calls of what it put there."""
    found: list[str] = []

    def counted(name: str, plain: Callable[..., Any], scale: float = 1.0) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            found.append(name)
            result = plain(*args, **kwargs)
            return result * scale if isinstance(result, torch.Tensor) else result

        return run

    def apply(model: Any, scale: float = 1.0, **kernels: bool) -> None:
        assert kernels == {"cross_entropy": False, "fused_linear_cross_entropy": False}
        names = vars(modeling_llama)
        names["apply_rotary_pos_emb"] = counted("rope", names["apply_rotary_pos_emb"])
        for layer in model.model.layers:
            plain = type(layer.mlp).forward
            layer.mlp.forward = MethodType(counted("mlp", plain, scale), layer.mlp)

    package, patches = ModuleType("liger_kernel.transformers"), ModuleType("monkey_patch")
    vars(package)["_apply_liger_kernel_to_instance"] = apply
    vars(patches)["MODEL_TYPE_TO_APPLY_LIGER_FN"] = {"llama": apply}
    monkeypatch.setitem(sys.modules, "liger_kernel", ModuleType("liger_kernel"))
    monkeypatch.setitem(sys.modules, "liger_kernel.transformers", package)
    monkeypatch.setitem(sys.modules, "liger_kernel.transformers.monkey_patch", patches)
    monkeypatch.setattr(liger, "find_spec", lambda name: True)
    monkeypatch.setattr(transformers.integrations.liger, "is_liger_kernel_available", lambda: True)
    return found


def test_a_missing_package_and_an_unknown_model_are_named(
    calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_liger_obstacle("llama") is None
    assert "does not know (gpt2)" in str(find_liger_obstacle("gpt2"))
    monkeypatch.setattr(liger, "find_spec", lambda name: None)
    assert "pip install 'lookahead-ray[liger]'" in str(find_liger_obstacle("llama"))


def test_layers_are_not_compiled_too() -> None:
    assert not is_wanted(LIGER, torch.device("cuda"))
    with pytest.raises(ValidationError, match="compile must be auto or false with liger: true"):
        TrainingConfig(liger=True, compile=True)


@pytest.mark.parametrize("lora", [None, LoraConfig(rank=2)], ids=["all weights", "adapters"])
def test_all_is_put_back_after_training(calls: list[str], lora: LoraConfig | None) -> None:
    config = LIGER.model_copy(update={"lora": lora})
    model = prepare_model(toy_model(), config).train()
    before = [vars(modeling_llama).copy(), *(vars(module).copy() for module in model.modules())]
    expected = gradients(model, make_rows(3))
    assert calls == []
    with liger_kernels(model, config):
        loss, gradient = gradients(model, make_rows(3))
    assert {"rope", "mlp"} <= set(calls)
    assert (loss, True) == (expected[0], torch.equal(gradient, expected[1]))
    after = [vars(modeling_llama), *(vars(module) for module in model.modules())]
    for one, other in zip(before, after, strict=True):
        assert one.keys() == other.keys()
        assert all(one[name] is other[name] for name in one)


def test_kernels_with_other_results_are_refused(calls: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    model = prepare_model(toy_model(), LIGER)
    check_liger(model, LIGER)
    right = sys.modules["liger_kernel.transformers"].__dict__["_apply_liger_kernel_to_instance"]
    monkeypatch.setattr(
        sys.modules["liger_kernel.transformers"],
        "_apply_liger_kernel_to_instance",
        lambda model, **kernels: right(model, scale=1.5, **kernels),
    )
    with pytest.raises(TrialError, match=r"Liger's kernels give other logits; set training\.liger: false"):
        check_liger(model, LIGER)
    assert all("forward" not in vars(module) for module in model.modules())


@pytest.mark.slow
@pytest.mark.skipif(
    None in map(importlib.util.find_spec, ("liger_kernel", "triton")) or "TRITON_INTERPRET" not in os.environ,
    reason="needs the packages liger-kernel and triton, and TRITON_INTERPRET=1 for kernels on CPUs",
)
def test_the_real_kernels_give_the_same_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without those of norms, which Triton's interpreter can't run."""
    monkeypatch.setattr(liger, "KERNELS", liger.KERNELS)
    model = prepare_model(toy_model(), LIGER).train()
    check_liger(model, LIGER)
    plain = gradients(model, make_rows(4))
    with liger_kernels(model, LIGER):
        found = gradients(model, make_rows(4))
    assert found[0] == pytest.approx(plain[0], rel=1e-5)
    assert (found[1] - plain[1]).norm() <= 1e-5 * plain[1].norm()
