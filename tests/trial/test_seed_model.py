"""The seed model's KL reference, kept from trial to trial."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import ModelError
from lookahead_ray.trial import seed_model
from tests.tiny import make_model

MODEL = SimpleNamespace(device=torch.device("cpu"))


class Asked:
    """An evaluation that counts the forward passes of the seed model."""

    def __init__(self, rank: int = 0, data: str = "suite") -> None:
        self.rank, self.world_size, self.data_hashes = rank, 2, [data]
        self.task = SimpleNamespace(data_hash="task")
        self.times = 0

    @property
    def kl(self) -> "Asked":
        return self

    def reference(self, model: Any, report: Any = None) -> object:
        self.times += 1
        return object()


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(seed_model, "_kept", {})
    monkeypatch.setattr(seed_model, "_tokenizers", {})
    task = {"name": "word_problems", "train_examples": 4, "test_examples": 2}
    return {"model": {"path": str(make_model(tmp_path))}, "task": task}


def ask(asked: Asked, tree: dict[str, Any], **changes: Any) -> Any:
    return seed_model.kl_reference(asked, MODEL, TrialConfig.model_validate(tree | changes))  # type: ignore[arg-type]


def test_trials_that_train_differently_share_it(tree: dict[str, Any]) -> None:
    evaluation = Asked()
    first = ask(evaluation, tree)
    assert ask(evaluation, tree, seed=5, preview={"strategy": "true", "length_tokens": 3}) is first
    assert evaluation.times == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"training": {"precision": "fp32"}},
        {"evaluation": {"kl_tokens": 3}},
        {"defence": {"prompt": "Be safe."}},
    ],
)
def test_another_request_is_computed_again(tree: dict[str, Any], changes: dict[str, Any]) -> None:
    evaluation = Asked()
    assert ask(evaluation, tree) is not ask(evaluation, tree, **changes)
    assert evaluation.times == 2


@pytest.mark.parametrize("other", [Asked(rank=1), Asked(data="another")])
def test_another_ranks_prompts_and_other_data_too(tree: dict[str, Any], other: Asked) -> None:
    assert ask(Asked(), tree) is not ask(other, tree)
    assert other.times == 1


def test_other_weights_at_the_same_place_too(tree: dict[str, Any]) -> None:
    evaluation = Asked()
    first = ask(evaluation, tree)
    weights = Path(tree["model"]["path"]) / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert ask(evaluation, tree) is not first


def test_the_tokenizer_is_loaded_once_for_a_model(tree: dict[str, Any], tmp_path: Path) -> None:
    config = TrialConfig.model_validate(tree).model
    first = seed_model.tokenizer_of(config)
    assert seed_model.tokenizer_of(config) is first
    other = make_model(tmp_path / "other")
    assert seed_model.tokenizer_of(config.model_copy(update={"path": str(other)})) is not first


def test_ranks_with_the_same_weights_pass(tree: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seed_model, "gather_everywhere", lambda mine: [mine, (mine[0], "node-2")])
    seed_model.check_alike(TrialConfig.model_validate(tree).model)


def test_a_rank_with_other_weights_is_named(tree: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seed_model, "gather_everywhere", lambda mine: [(mine[0], "node-1"), ("x", "node-2")])
    with pytest.raises(ModelError, match=r"model\.path: .* on node-2 \(rank 1\) than on node-1 \(rank 0\)"):
        seed_model.check_alike(TrialConfig.model_validate(tree).model)
