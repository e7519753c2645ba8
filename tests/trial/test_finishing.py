"""A method that acts after training: what it changes is measured and written, once, on all ranks."""

from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from peft import PeftModel

from lookahead_ray.config.method import VanillaMethod
from lookahead_ray.config.model import ModelConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.evaluate.results import Signal
from lookahead_ray.method.base import Method
from lookahead_ray.method.registry import METHODS
from lookahead_ray.method.seed_weights import LazySeedWeights, SeedWeights
from lookahead_ray.model import load
from lookahead_ray.trial.finishing import finish_model
from lookahead_ray.trial.job import Checkpoints, Saving
from lookahead_ray.trial.measurement import Measurement
from lookahead_ray.trial.progress import TrialProgress
from lookahead_ray.trial.worker import run_worker
from tests.tiny import make_model
from tests.toy import toy_model

TREE: dict[str, Any] = {
    "task": {"name": "word_problems", "train_examples": 8, "test_examples": 4},
    "safety": {"harmful_prompts": 4, "benign_prompts": 2},
    "training": {
        "epochs": 3,
        "batch_size": 4,
        "micro_batch_size": 2,
        "learning_rate": 1e-2,
        "precision": "fp32",
    },
    "workers": 1,
    "cpus_per_worker": 1,
    "gpus_per_worker": 0,
    "evaluation": {"safety_new_tokens": 8, "task_new_tokens": 8},
}
LORA = {"rank": 4}


@torch.no_grad()
def move_half_way_back(model: Any, seed_weights: SeedWeights, config: VanillaMethod) -> None:
    """Move weights half way back to the seed model's; with LoRA, halve the change that the adapters make."""
    weights = dict(model.named_parameters())
    adapters = [weight for name, weight in weights.items() if ".lora_B." in name]
    for weight in adapters:
        weight.mul_(0.5)
    if not adapters:
        for name, weight in weights.items():
            weight.lerp_(seed_weights(name), 0.5)


class Counted:
    """The hook, and how often it was applied."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *arguments: Any) -> None:
        self.calls += 1
        move_half_way_back(*arguments)


@pytest.fixture
def seed(tmp_path: Path) -> ModelConfig:
    return ModelConfig(path=str(make_model(tmp_path / "seed")))


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """The hook of `vanilla` in this test."""
    hook = Counted()
    monkeypatch.setitem(METHODS, "vanilla", Method(VanillaMethod, finish=hook))
    return hook


def trial(model: ModelConfig, lora: dict[str, int] | None = None) -> TrialConfig:
    training = {**TREE["training"], "lora": lora}
    return TrialConfig.model_validate({**TREE, "model": model.model_dump(), "training": training})


def measure(config: TrialConfig, trains: bool = True, **arguments: Any) -> Measurement:
    measured = run_worker(config, trains, lambda progress: None, **arguments)
    assert measured is not None
    return measured


def interrupted(config: TrialConfig, folder: Path) -> Checkpoints:
    """Run a trial that is interrupted after its third epoch; return its checkpoints, in a new `folder`."""
    folder.mkdir()
    checkpoints = Checkpoints(str(folder / "trial"), every_epochs=1)

    def die(signal: Signal) -> bool:
        if signal.epoch == 3:
            raise KeyboardInterrupt
        return True

    with pytest.raises(KeyboardInterrupt):
        measure(config, decide=die, checkpoints=checkpoints)
    return checkpoints


def weights(path: str | Path) -> dict[str, torch.Tensor]:
    return dict(load.load_model(ModelConfig(path=str(path)), torch.float32).named_parameters())


def saving(folder: Path, adapter: bool = False) -> Saving:
    folder.mkdir()
    return Saving(str(folder), adapter)


@pytest.mark.slow
@pytest.mark.usefixtures("group")
class TestTrial:
    @pytest.mark.parametrize("lora", [None, LORA], ids=["all weights", "adapters"])
    def test_the_written_and_the_measured_model_are_half_way_back(
        self, tmp_path: Path, seed: ModelConfig, lora: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = trial(seed, lora)
        measure(config, saving=saving(tmp_path / "trained"))
        hook = Counted()
        monkeypatch.setitem(METHODS, "vanilla", Method(VanillaMethod, finish=hook))
        measured = measure(config, saving=saving(tmp_path / "finished"))
        assert hook.calls == 1
        before, trained = weights(seed.path), weights(tmp_path / "trained")
        finished = weights(tmp_path / "finished")
        assert any(not torch.allclose(trained[name], before[name], atol=1e-3) for name in before)
        for name, weight in finished.items():
            assert torch.allclose(weight, (before[name] + trained[name]) / 2, atol=1e-6), name
        written = measure(trial(ModelConfig(path=str(tmp_path / "finished"))), trains=False)
        assert measured.generations == written.generations

    def test_adapters_alone_are_written_as_they_are_measured(
        self, tmp_path: Path, seed: ModelConfig, hook: Counted
    ) -> None:
        whole = measure(trial(seed, LORA), saving=saving(tmp_path / "whole"))
        alone = measure(trial(seed, LORA), saving=saving(tmp_path / "adapter", adapter=True))
        assert alone.generations == whole.generations
        model = PeftModel.from_pretrained(
            load.load_model(seed, torch.float32), tmp_path / "adapter"
        ).merge_and_unload()
        for name, weight in weights(tmp_path / "whole").items():
            assert torch.allclose(dict(model.named_parameters())[name], weight, atol=1e-6), name

    def test_kl_is_the_finished_models(self, tmp_path: Path, seed: ModelConfig, hook: Counted) -> None:
        kept = measure(trial(seed), saving=saving(tmp_path / "out"))
        measured = measure(trial(seed))
        assert measured.token_kl == kept.token_kl
        last = measured.signals[-1].kl
        assert last is not None
        assert fmean(row.value for row in measured.token_kl) < 0.9 * last  # signals are of the epochs' ends

    def test_a_stopped_trial_applies_it_once(self, seed: ModelConfig, hook: Counted) -> None:
        measured = measure(trial(seed), decide=lambda signal: signal.epoch < 2)
        assert (measured.stopped, hook.calls) == (True, 1)

    def test_a_resumed_trial_applies_it_once(self, tmp_path: Path, seed: ModelConfig, hook: Counted) -> None:
        measure(trial(seed), saving=saving(tmp_path / "uninterrupted"))
        hook.calls = 0
        checkpoints = interrupted(trial(seed), tmp_path / "checkpoints")
        assert hook.calls == 0
        told: list[TrialProgress] = []
        config = trial(seed)
        run_worker(
            config,
            True,
            told.append,
            saving(tmp_path / "resumed"),
            checkpoints=checkpoints,
        )
        details = [progress.detail for progress in told]
        assert "vanilla changes the trained weights" in details
        # what is restored is no new checkpoint, which would set the count of attempts back
        (restored,) = (progress for progress in told if progress.detail == "resuming after epoch 2")
        assert restored.phase == "building"
        assert hook.calls == 1
        expected = weights(tmp_path / "uninterrupted")
        for name, weight in weights(tmp_path / "resumed").items():
            assert torch.equal(weight, expected[name]), name


def count_loads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the list that each load of a seed model is appended to."""
    loads: list[Any] = []
    original: Callable[..., Any] = load.load_model
    monkeypatch.setattr(
        "lookahead_ray.method.seed_weights.load_model",
        lambda *arguments: loads.append(arguments) or original(*arguments),
    )
    return loads


def test_seed_weights_are_loaded_at_the_first_use(seed: ModelConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = count_loads(monkeypatch)
    seed_weights = LazySeedWeights(seed, torch.bfloat16)
    assert loads == []
    for name, weight in weights(seed.path).items():
        found = seed_weights(name)
        assert torch.equal(found, weight.to(torch.bfloat16))
        assert not found.requires_grad
    assert len(loads) == 1
    with pytest.raises(KeyError):
        seed_weights("lm_head.bias")


@pytest.mark.usefixtures("group")
def test_a_method_without_the_hook_changes_and_loads_nothing(
    seed: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = count_loads(monkeypatch)
    model = toy_model()
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    assert not finish_model(model, trial(seed))
    assert all(torch.equal(weight, before[name]) for name, weight in model.named_parameters())
    assert loads == []


def finish_on_rank(rank: int, store: str, config: TrialConfig) -> None:
    """Finish a model with weights that differ between the ranks, and save the result."""

    def add_rank(model: Any, seed_weights: SeedWeights, config: VanillaMethod) -> None:
        for weight in model.parameters():
            weight.data = (weight.data + rank).mT if weight.dim() == 2 else weight.data + rank

    METHODS["vanilla"] = Method(VanillaMethod, finish=add_rank)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    model = toy_model().to(torch.bfloat16)
    assert finish_model(model, config)
    torch.save(list(model.parameters()), f"{store}-{rank}")
    dist.destroy_process_group()


@pytest.mark.slow
def test_all_ranks_get_the_weights_of_the_first(tmp_path: Path, seed: ModelConfig) -> None:
    store = str(tmp_path / "store")
    mp.spawn(finish_on_rank, (store, trial(seed)), nprocs=2)
    first, second = (torch.load(f"{store}-{rank}", weights_only=False) for rank in (0, 1))
    assert all(torch.equal(one, two) for one, two in zip(first, second, strict=True))
