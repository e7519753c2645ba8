"""A merged trial: what is measured in a sweep is what `train` writes, and without a merge nothing happens."""

from collections.abc import Mapping
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
from lookahead_ray.method.base import Method
from lookahead_ray.method.registry import METHODS
from lookahead_ray.method.reporting import quiet
from lookahead_ray.model import load
from lookahead_ray.trial.fine_tuning import TrainedModel
from lookahead_ray.trial.merging import merge_each_share
from tests.tiny import make_model
from tests.toy import toy_model
from tests.trial.test_finishing import LORA, TREE, count_loads, interrupted, measure, saving, weights


@pytest.fixture
def seed(tmp_path: Path) -> ModelConfig:
    """A model whose weights are large enough that greedy answers differ by prompt and by share."""
    config = ModelConfig(path=str(make_model(tmp_path / "seed")))
    model = load.load_model(config, torch.float32)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 2:
                weight.mul_(15)
    model.save_pretrained(config.path)
    return config


def trial(
    model: ModelConfig, merge: Mapping[str, Any] | None = None, lora: Any = None, precision: str = "fp32"
) -> TrialConfig:
    training = {**TREE["training"], "lora": lora, "precision": precision}
    tree = {**TREE, "model": model.model_dump(), "training": training}
    return TrialConfig.model_validate({**tree, **({"merge": merge} if merge else {})})


def aligned_from(folder: Path, seed: ModelConfig) -> str:
    """Write a model that differs from the seed model in the first layers' queries, and return its path."""
    model = load.load_model(seed, torch.float32)
    with torch.no_grad():
        model.model.layers[0].self_attn.q_proj.weight[:4].add_(0.1)  # type: ignore[union-attr,operator,index]
    model.save_pretrained(folder)
    load.load_tokenizer(seed).save_pretrained(folder)
    return str(folder)


@pytest.mark.slow
@pytest.mark.usefixtures("group")
class TestTrial:
    @pytest.mark.parametrize("lora", [None, LORA], ids=["all weights", "adapters"])
    @pytest.mark.parametrize("name", ["linear", "layers"])
    def test_a_sweeps_measurement_is_that_of_the_model_that_train_writes(
        self, tmp_path: Path, seed: ModelConfig, name: str, lora: Any
    ) -> None:
        merge: dict[str, Any] = {"name": name, "share": 0.4}
        if name == "layers":
            merge["base_path"] = aligned_from(tmp_path / "base", seed)
        in_a_sweep = measure(trial(seed, merge, lora))
        by_train = measure(trial(seed, merge, lora), saving=saving(tmp_path / "merged"))
        written = measure(trial(ModelConfig(path=str(tmp_path / "merged"))), trains=False)
        assert in_a_sweep.generations == by_train.generations == written.generations
        assert in_a_sweep.token_kl == by_train.token_kl
        whole = measure(trial(seed, None, lora), saving=saving(tmp_path / "trained"))
        answers = [[row.answer for row in measured.generations] for measured in (in_a_sweep, whole)]
        assert len(set(answers[0])) > len(answers[0]) / 2
        assert answers[0] != answers[1]
        assert in_a_sweep.steps[-1].loss == whole.steps[-1].loss
        before, trained = weights(seed.path), weights(tmp_path / "trained")
        for weight_name, weight in weights(tmp_path / "merged").items():
            start, end = before[weight_name], trained[weight_name]
            expected = start + 0.4 * (end - start)
            is_moved = name == "linear" or "proj" in weight_name
            assert torch.allclose(weight, expected if is_moved else end, atol=1e-6), weight_name
        counts = {k: v for k, v in by_train.preparation.items() if k.startswith("merge_")}
        assert counts == ({} if name == "linear" else {"merge_layers": 14, "merge_moved_layers": 14})

    @pytest.mark.parametrize("precision", ["fp32", "bf16"])
    @pytest.mark.parametrize("lora", [None, LORA], ids=["all weights", "adapters"])
    @pytest.mark.parametrize("name", ["linear", "layers"])
    def test_shares_measured_after_one_training_are_those_of_trials_with_one_share(
        self, tmp_path: Path, seed: ModelConfig, name: str, lora: Any, precision: str
    ) -> None:
        merge: dict[str, Any] = {"name": name}
        if name == "layers":
            merge["base_path"] = aligned_from(tmp_path / "base", seed)
        config = trial(seed, {**merge, "share": [1.0, 0.7, 0.4, 0.0]}, lora, precision)
        together = measure(config)
        points = (together, *together.further)
        assert len(points) == 4
        for point, own in zip(points, config.points, strict=True):
            alone = measure(own)
            assert point.generations == alone.generations, own.merge
            assert point.token_kl == alone.token_kl, own.merge
        assert len({tuple(row.answer for row in point.generations) for point in points}) == 4

    def test_a_training_is_counted_once(self, seed: ModelConfig) -> None:
        alone = measure(trial(seed))
        together = measure(trial(seed, {"share": [1.0, 0.7, 0.4]}))
        points = (together, *together.further)
        assert [point.train_tokens for point in points] == [alone.train_tokens, 0, 0]
        assert [point.flops for point in points] == [alone.flops, 0, 0]
        assert [len(point.steps) for point in points] == [6, 0, 0]
        assert [len(point.signals) for point in points] == [len(alone.signals), 0, 0]
        assert all(point.seconds_train < together.seconds_train / 2 for point in together.further)
        assert [bool(point.preparation) for point in points] == [True, False, False]

    @pytest.mark.parametrize("lora", [None, LORA], ids=["all weights", "adapters"])
    @pytest.mark.parametrize("precision", ["fp32", "bf16"])
    def test_a_share_of_0_is_the_seed_model(
        self, tmp_path: Path, seed: ModelConfig, lora: Any, precision: str
    ) -> None:
        config = trial(seed, {"share": 0.0}, lora, precision)
        measured = measure(config, saving=saving(tmp_path / "merged"))
        untrained = measure(config, trains=False)
        assert [row.answer for row in measured.generations] == [row.answer for row in untrained.generations]
        assert all(row.value == 0 for row in untrained.token_kl)
        assert all(abs(row.value) < 1e-6 for row in measured.token_kl)
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        expected = dict(load.load_model(seed, dtype).named_parameters())
        merged = load.load_model(ModelConfig(path=str(tmp_path / "merged")), dtype)
        assert all(torch.equal(weight, expected[name]) for name, weight in merged.named_parameters())

    def test_an_adapter_alone_is_written_merged(self, tmp_path: Path, seed: ModelConfig) -> None:
        config = trial(seed, {"share": 0.4}, LORA)
        whole = measure(config, saving=saving(tmp_path / "whole"))
        alone = measure(config, saving=saving(tmp_path / "adapter", adapter=True))
        assert alone.generations == whole.generations
        model = PeftModel.from_pretrained(
            load.load_model(seed, torch.float32), tmp_path / "adapter"
        ).merge_and_unload()
        for name, weight in weights(tmp_path / "whole").items():
            assert torch.allclose(dict(model.named_parameters())[name], weight, atol=1e-6), name

    def test_kl_is_the_merged_models_and_signals_are_the_trained_ones(self, seed: ModelConfig) -> None:
        trained, merged = measure(trial(seed)), measure(trial(seed, {"share": 0.4}))
        assert [signal.kl for signal in merged.signals] == [signal.kl for signal in trained.signals]
        means = [fmean(row.value for row in measured.token_kl) for measured in (merged, trained)]
        assert means[0] < 0.9 * means[1]

    def test_it_comes_after_the_methods_own_hook(
        self, tmp_path: Path, seed: ModelConfig, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        measure(trial(seed), saving=saving(tmp_path / "trained"))

        def double(model: Any, seed_weights: Any, config: VanillaMethod) -> None:
            for name, weight in model.named_parameters():
                weight.data += weight.data - seed_weights(name)

        monkeypatch.setitem(METHODS, "vanilla", Method(VanillaMethod, finish=double))
        measure(trial(seed, {"share": 0.25}), saving=saving(tmp_path / "merged"))
        before, trained = weights(seed.path), weights(tmp_path / "trained")
        for name, weight in weights(tmp_path / "merged").items():
            assert torch.allclose(weight, (before[name] + trained[name]) / 2, atol=1e-6), name

    def test_a_resumed_trial_is_merged_once(self, tmp_path: Path, seed: ModelConfig) -> None:
        config = trial(seed, {"share": 0.5})
        expected = measure(config)
        checkpoints = interrupted(config, tmp_path / "checkpoints")
        assert measure(config, checkpoints=checkpoints).generations == expected.generations


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize(
    "merge", [None, {"share": 1.0}, {"name": "layers", "share": 1.0, "base_path": "none"}]
)
def test_without_a_merge_nothing_is_loaded_or_changed(
    seed: ModelConfig, monkeypatch: pytest.MonkeyPatch, merge: Any
) -> None:
    loads = count_loads(monkeypatch)
    trained = TrainedModel(toy_model())
    (merged,) = merge_each_share(trained, trial(seed, merge), quiet)
    assert merged is trained
    assert loads == []


@pytest.mark.usefixtures("group")
@pytest.mark.parametrize(("lora", "count"), [(None, 1), (LORA, 0)], ids=["all weights", "adapters"])
def test_seed_weights_are_loaded_only_without_adapters(
    seed: ModelConfig, monkeypatch: pytest.MonkeyPatch, lora: Any, count: int
) -> None:
    from lookahead_ray.train.model import prepare_model

    config = trial(seed, {"share": 0.5}, lora)
    loads = count_loads(monkeypatch)
    model = prepare_model(load.load_model(seed, torch.float32), config.training)
    (merged,) = merge_each_share(TrainedModel(model, seconds=1.0), config, quiet)
    assert (merged.finished, merged.seconds > 1, len(loads)) == (True, True, count)


def merge_on_rank(rank: int, store: str, config: TrialConfig) -> None:
    """Merge weights that differ between the ranks, and save the result."""
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    model = load.load_model(config.model, torch.bfloat16)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(1 + rank)
    list(merge_each_share(TrainedModel(model), config, quiet))
    torch.save(list(model.parameters()), f"{store}-{rank}")
    dist.destroy_process_group()


@pytest.mark.slow
def test_all_ranks_get_the_weights_of_the_first(tmp_path: Path, seed: ModelConfig) -> None:
    store = str(tmp_path / "store")
    mp.spawn(merge_on_rank, (store, trial(seed, {"share": 0.5}, precision="bf16")), nprocs=2)
    first, second = (torch.load(f"{store}-{rank}", weights_only=False) for rank in (0, 1))
    before = load.load_model(seed, torch.bfloat16).parameters()
    assert all(torch.equal(one, two) for one, two in zip(first, second, strict=True))
    for one, weight in zip(first, before, strict=True):
        assert torch.allclose(one.float(), weight.float() + 0.5, atol=0.01)
