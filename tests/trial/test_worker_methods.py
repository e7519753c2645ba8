"""One rank of a trial from configuration to measurement, with each method and the defences."""

from typing import Any

import pytest

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.method.sdft import REASONS
from lookahead_ray.trial.measurement import Measurement
from lookahead_ray.trial.worker import run_worker
from tests.tiny import make_model

pytestmark = pytest.mark.slow

TREE: dict[str, Any] = {
    "task": {"name": "word_problems", "train_examples": 6, "test_examples": 2},
    "safety": {"name": "probe", "harmful_prompts": 2, "benign_prompts": 2},
    "preview": {"strategy": "true", "length_tokens": 3},
    "training": {
        "epochs": 2,
        "batch_size": 4,
        "micro_batch_size": 2,
        "max_length": 1024,
        "learning_rate": 1e-3,
        "precision": "fp32",
    },
    "workers": 1,
    "cpus_per_worker": 1,
    "gpus_per_worker": 0,
    "evaluation": {"safety_new_tokens": 4, "task_new_tokens": 4, "kl_tokens": 2},
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, group: None) -> dict[str, Measurement]:
    """Return a measurement for each method and one with both defences; all share one cache."""
    folder = tmp_path_factory.mktemp("worker")
    model = {"path": str(make_model(folder / "model"))}
    trees: dict[str, dict[str, Any]] = {
        "vanilla": {},
        "constrained_sft": {"method": {"name": "constrained_sft"}},
        "token_kl": {"method": {"name": "token_kl"}},
        "sdft": {"method": {"name": "sdft", "new_tokens": 4}},
        "defended": {"defence": {"mix": {"share": 0.25}, "prompt": "Refuse what is harmful."}},
    }
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOOKAHEAD_RAY_CACHE", str(folder / "cache"))
        for name, tree in trees.items():
            config = TrialConfig.model_validate({**TREE, "model": model, **tree})
            result = run_worker(config, trains=True, send=lambda progress: None)
            assert result is not None
            found[name] = result
    return found


def test_every_method_trains_and_is_measured(measured: dict[str, Measurement]) -> None:
    for result in measured.values():
        assert len(result.steps) == 4
        assert len(result.generations) == 8
        assert result.preparation["seconds"] > 0
    losses = {name: result.steps[0].loss for name, result in measured.items()}
    assert losses["constrained_sft"] == pytest.approx(losses["vanilla"], rel=2e-2)  # weights of 1, in bf16


def test_preparation_is_counted(measured: dict[str, Measurement]) -> None:
    counts = {
        name: {k: v for k, v in m.preparation.items() if k != "seconds" and not k.endswith("_flops")}
        for name, m in measured.items()
    }
    assert counts["vanilla"] == counts["token_kl"] == {"training_examples": 6, "safety_examples": 0}
    assert counts["defended"] == {"training_examples": 8, "safety_examples": 2}
    assert set(counts["sdft"]) == {
        "rewritten",
        *(f"rejected_{reason}" for reason in REASONS),
        "training_examples",
        "safety_examples",
    }
    assert sum(counts["sdft"].values()) == 6 + 6


def test_flops_include_training_and_the_seed_models_preparation(
    measured: dict[str, Measurement],
) -> None:
    for name, result in measured.items():
        flops = {k: v for k, v in result.preparation.items() if k.endswith("_flops")}
        assert result.flops == flops["training_flops"] + flops["preparation_flops"]
        assert (flops["preparation_flops"] > 0) == (name in ("constrained_sft", "token_kl", "sdft"))
        assert 0.2 < flops["estimated_training_flops"] / flops["training_flops"] < 5
    assert (
        measured["vanilla"].preparation["training_flops"]
        == measured["token_kl"].preparation["training_flops"]
    )


def test_the_mix_is_part_of_the_datas_hash(measured: dict[str, Measurement]) -> None:
    assert measured["defended"].data_hash != measured["vanilla"].data_hash == measured["sdft"].data_hash
