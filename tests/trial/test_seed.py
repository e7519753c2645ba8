"""The seed model's KL reference, kept from trial to trial."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.trial import seed
from tests.tiny import make_model

MODEL = SimpleNamespace(device=torch.device("cpu"))


class Asked:
    """An evaluation that counts how often the seed model is asked."""

    def __init__(self, rank: int = 0, data: str = "suite") -> None:
        self.rank, self.world_size, self.data_hashes = rank, 2, [data]
        self.task = SimpleNamespace(data_hash="task")
        self.times = 0

    def kl_reference(self, model: Any) -> object:
        self.times += 1
        return object()


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(seed, "_kept", {})
    task = {"name": "word_problems", "train_examples": 4, "test_examples": 2}
    return {"model": {"path": str(make_model(tmp_path))}, "task": task}


def ask(asked: Asked, tree: dict[str, Any], **changes: Any) -> Any:
    return seed.kl_reference(asked, MODEL, TrialConfig.model_validate(tree | changes))  # type: ignore[arg-type]


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
def test_what_is_asked_otherwise_is_asked_anew(tree: dict[str, Any], changes: dict[str, Any]) -> None:
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
