"""Compiled layers train as plain ones do, compile once for all models of a process, and may fail."""

import gc
import logging
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch._dynamo.exc import BackendCompilerFailed
from torch._dynamo.utils import counters

from lookahead_ray.config.training import LoraConfig, TrainingConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import TrialError
from lookahead_ray.model.adapters import merge_adapters
from lookahead_ray.train import compilation
from lookahead_ray.train.compilation import can_compile, compiled_layers, find_layers, is_wanted
from lookahead_ray.train.model import prepare_model
from lookahead_ray.train.packing import packs
from lookahead_ray.trial.job import Saving
from lookahead_ray.trial.measurement import Measurement
from lookahead_ray.trial.worker import run_worker
from tests.tiny import make_model
from tests.toy import toy_model
from tests.train.reference import make_rows
from tests.train.test_packing import gradients

pytestmark = pytest.mark.usefixtures("group")

COMPILED = TrainingConfig(compile=True)
TRAININGS: dict[str, dict[str, Any]] = {
    "all weights": {},
    "checkpointing": {"gradient_checkpointing": True},
    "adapters": {"lora": {"rank": 2}},
}


def graphs() -> int:
    """Return how many graphs were compiled in this process."""
    return counters["stats"]["unique_graphs"]


def broken(function: Callable[..., Any]) -> Callable[..., Any]:
    """Stand in for `compile_once` where there is no compiler."""

    def run(*args: Any, **kwargs: Any) -> Any:
        raise BackendCompilerFailed("inductor", RuntimeError("no compiler here\nat all"), None)

    return run


@pytest.fixture
def no_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "_reasons", {})


def test_by_default_only_gpus_compile() -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert [is_wanted(TrainingConfig(), device) for device in (cpu, cuda)] == [False, True]
    assert [is_wanted(TrainingConfig(compile=False), device) for device in (cpu, cuda)] == [False, False]
    assert is_wanted(COMPILED, cpu)


@pytest.mark.slow
class TestTrials:
    @pytest.fixture
    def trial(self, tmp_path: Path) -> Callable[..., Measurement]:
        model = str(make_model(tmp_path / "model"))

        def run(saving: Saving | None = None, **training: Any) -> Measurement:
            tree = {
                "model": {"path": model},
                "task": {"name": "word_problems", "train_examples": 20, "test_examples": 2},
                "safety": {"harmful_prompts": 4, "benign_prompts": 2},
                "training": {
                    "epochs": 1,
                    "batch_size": 4,
                    "micro_batch_size": 2,
                    "learning_rate": 1e-3,
                    "precision": "fp32",
                    **training,
                },
                "workers": 1,
                "cpus_per_worker": 1,
                "gpus_per_worker": 0,
                "evaluation": {"safety_new_tokens": 2, "task_new_tokens": 2},
            }
            measured = run_worker(TrialConfig.model_validate(tree), True, lambda progress: None, saving)
            assert measured is not None
            return measured

        return run

    @pytest.mark.parametrize(
        "training",
        [pytest.param(name, marks=[] if name == "all weights" else pytest.mark.long) for name in TRAININGS],
    )
    def test_a_trial_equals_one_with_plain_layers_and_the_next_compiles_nothing(
        self, trial: Callable[..., Measurement], training: str, tmp_path: Path
    ) -> None:
        fields = TRAININGS[training]
        plain = trial(**fields)
        before = graphs()
        out = tmp_path / "trained"
        out.mkdir()
        compiled = trial(Saving(str(out), adapter=False), **fields, compile=True)
        once = graphs()
        again = trial(**fields, compile=True)
        assert once > before or training == "checkpointing"  # has the layers of the first one
        assert graphs() == once
        assert len(plain.steps) == 5
        for one, other in zip(plain.steps, compiled.steps, strict=True):
            assert other.loss == pytest.approx(one.loss, rel=1e-5)
            assert other.grad_norm == pytest.approx(one.grad_norm, rel=1e-4)
        assert [step.loss for step in again.steps] == [step.loss for step in compiled.steps]
        assert (compiled.flops, compiled.train_tokens) == (plain.flops, plain.train_tokens)
        assert [row.answer for row in compiled.generations] == [row.answer for row in plain.generations]
        names = [
            set(safe_open(each / "model.safetensors", "pt").keys()) for each in (out, tmp_path / "model")
        ]
        assert names[0] == names[1]


@pytest.mark.slow
class TestLayers:
    @pytest.mark.parametrize("packed", [True, False])
    def test_gradients_are_equal_for_any_number_of_tokens(self, packed: bool) -> None:
        model = prepare_model(toy_model(), COMPILED).train()
        assert packs(model)
        if not packed:
            model.set_attn_implementation("eager")
        batches = [make_rows(count, seed=count) for count in (2, 4, 7)]
        plain = [gradients(model, rows) for rows in batches]
        assert can_compile(model)
        before = graphs()
        with compiled_layers(model, COMPILED):
            for rows, (loss, gradient) in zip(batches, plain, strict=True):
                found = gradients(model, rows)
                assert found[0] == pytest.approx(loss, rel=1e-5)
                assert (found[1] - gradient).norm() <= 1e-5 * gradient.norm()
        assert graphs() == before

    def test_evaluation_runs_plain_layers_and_nothing_stays_behind(self) -> None:
        model = prepare_model(toy_model(), COMPILED.model_copy(update={"lora": LoraConfig(rank=2)}))
        names, ids = list(model.state_dict()), torch.tensor([[1, 2, 3, 4]])
        assert can_compile(model)
        with torch.no_grad():
            expected = model(input_ids=ids).logits
            before = graphs()
            with compiled_layers(model, COMPILED):
                assert list(model.state_dict()) == names
                model.eval()
                assert torch.equal(model(input_ids=ids).logits, expected)
            assert graphs() == before
            merged = merge_adapters(model)
            assert torch.allclose(merged(input_ids=ids).logits, expected, atol=1e-5)
        assert not any("forward" in vars(layer) for layer in find_layers(merged))
        gone = weakref.ref(merged)
        del model, merged
        gc.collect()
        assert gone() is None

    @pytest.mark.usefixtures("no_verdicts")
    def test_without_a_compiler_layers_stay_plain(self, caplog: pytest.LogCaptureFixture) -> None:
        from torch._inductor import config
        from torch._inductor.utils import fresh_cache

        model = prepare_model(toy_model(), TrainingConfig(lora=LoraConfig(rank=5))).train()
        with fresh_cache(), config.patch({"cpp.cxx": ("no-such-compiler",)}):
            assert not can_compile(model)
        (line,) = [record.message for record in caplog.records if "not compiled" in record.message]
        assert line.startswith("layers of llama are not compiled, which costs time: ")
        assert "compiler" in line.lower()


@pytest.mark.usefixtures("no_verdicts")
class TestFailures:
    def test_a_failure_before_training_is_logged_once_and_changes_nothing(
        self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(compilation, "compile_once", broken)
        rows = make_rows(3)
        with caplog.at_level(logging.WARNING):
            for _ in range(2):
                model = prepare_model(toy_model(), COMPILED).train()
                expected = gradients(model, rows)
                with compiled_layers(model, COMPILED):
                    found = gradients(model, rows)
                assert found[0] == expected[0]
                assert torch.equal(found[1], expected[1])
        (line,) = [record.message for record in caplog.records if "not compiled" in record.message]
        assert line == "layers of llama are not compiled, which costs time: no compiler here"

    def test_layers_that_compute_something_else_are_not_used(
        self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def wrong(function: Callable[..., Any]) -> Callable[..., Any]:
            return lambda *args, **kwargs: 1.5 * function(*args, **kwargs)

        monkeypatch.setattr(compilation, "compile_once", wrong)
        assert not can_compile(prepare_model(toy_model(), COMPILED))
        assert "compiled layers give other logits" in caplog.text

    @pytest.mark.parametrize("checkpointing", [False, True])
    def test_a_failure_in_training_goes_on_with_plain_layers_on_one_rank(
        self, checkpointing: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(compilation, "compile_once", lambda function: function)
        config = COMPILED.model_copy(update={"gradient_checkpointing": checkpointing})
        model = prepare_model(toy_model(), config).train()
        assert can_compile(model)
        rows = make_rows(3)
        expected = gradients(model, rows)
        with compiled_layers(model, config):
            monkeypatch.setattr(compilation, "compile_once", broken)
            found = [gradients(model, rows) for _ in range(2)]
        for each in found:
            assert each[0] == expected[0]
            assert torch.equal(each[1], expected[1])
        assert len([record for record in caplog.records if "not compiled" in record.message]) == 1

    def test_one_of_several_ranks_fails_the_trial_instead(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(compilation, "compile_once", broken)
        model = toy_model().train()
        run = compilation._Run("llama", ranks=2)
        with (
            compilation._replaced(find_layers(model), run),
            pytest.raises(TrialError, match=r"no compiler here; set training\.compile: false"),
        ):
            model(input_ids=torch.tensor([[1, 2, 3]]), use_cache=False)

    def test_a_model_without_marked_layers_stays_plain(self, caplog: pytest.LogCaptureFixture) -> None:
        model = prepare_model(toy_model(), COMPILED)
        model.model.layers = torch.nn.ModuleList()
        assert not can_compile(model)
        assert "it has no layers that Transformers marks" in caplog.text
