"""The examples of docs/extending.md work."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import BaseModel
from transformers import MambaConfig, MambaForCausalLM

from lookahead_ray.config.training import LoraConfig, TrainingConfig
from lookahead_ray.data.chat import Rendered
from lookahead_ray.evaluate.generation import registry
from lookahead_ray.evaluate.generation.base import DecodingSettings
from lookahead_ray.method.base import Method
from lookahead_ray.objective.registry import OBJECTIVES
from lookahead_ray.train.model import prepare_model
from lookahead_ray.trial.model_export import merge_adapters
from tests.docs.pages import ROOT, blocks
from tests.objective.contract import ObjectiveContract
from tests.objective.trials import BOTH, TRIAL
from tests.toy import toy_model

EXAMPLES = blocks(ROOT / "docs" / "extending.md", "python")
FIRST_LINE = re.compile(r"# (lookahead_ray/\S+)\.py\n")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Execute all examples; models of a module that exists are added to it, as the page says."""
    found: dict[str, Any] = {}
    for code in EXAMPLES:
        match = FIRST_LINE.match(code)
        assert match, code
        scope: dict[str, Any] = {"__name__": match[1].replace("/", ".")}
        exec(code, scope)
        own = {name: value for name, value in scope.items() if not name.startswith("_")}
        if (ROOT / f"{match[1]}.py").exists():
            module = importlib.import_module(scope["__name__"])
            for name, value in own.items():
                if isinstance(value, type) and issubclass(value, BaseModel) and not hasattr(module, name):
                    monkeypatch.setattr(module, name, value, raising=False)
        found |= {f"{match[1].rpartition('/')[2]}.{name}": value for name, value in own.items()}
    return found


def test_the_judge(names: dict[str, Any]) -> None:
    judge = names["length.length_judge"](names["judge.LengthJudge"](words=3))
    assert [judge("", "", answer).verdict for answer in ("", "No.", "one two three")] == [
        "unparsed",
        "safe",
        "unsafe",
    ]


def test_the_suite(names: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "requests.txt").write_text("first\n\nsecond\n")
    config = names["safety.LinesSuite"](name="lines", path=str(tmp_path / "requests.txt"), harmful_prompts=1)
    suite = names["lines.load_lines"](config)
    assert [(prompt.id, prompt.prompt) for prompt in suite.harmful] == [("line-0001", "first")]


def test_the_task(names: dict[str, Any], tmp_path: Path) -> None:
    rows = [f'{{"context": "c", "question": "q{n}?", "answer": "a{n}"}}\n' for n in range(4)]
    (tmp_path / "rows.jsonl").write_text("".join(rows))
    config = names["task.SquadTask"](
        name="squad", train_path=str(tmp_path / "rows.jsonl"), train_examples=2, test_examples=2
    )
    task = names["squad.load_squad"](config)
    assert (len(task.train), len(task.test)) == (2, 2)
    assert [task.score(answer, "a b") for answer in ("A  b", "c", " ")] == [1.0, 0.0, None]


def test_the_method(names: dict[str, Any]) -> None:
    logits, targets = torch.randn(3, 5), torch.tensor([0, 1, 2])

    class Context:
        def forward(self, model: Any, rows: list[Rendered]) -> tuple[torch.Tensor, torch.Tensor]:
            return logits, targets

    config = names["method.SmoothedMethod"](name="smoothed", smoothing=0.0)
    loss = names["smoothed.row_loss"]([], config, Context())(None, [])
    assert loss.item() == pytest.approx(torch.nn.functional.cross_entropy(logits, targets).item() * 3)


@pytest.mark.parametrize("lora", [None, LoraConfig(rank=2)], ids=["all weights", "adapters"])
def test_the_method_that_acts_after_training(names: dict[str, Any], lora: LoraConfig | None) -> None:
    config = names["method.InterpolatedMethod"](name="interpolated", kept=0.25)
    seed = dict(toy_model().named_parameters())
    method = Method(finish=names["interpolated.finish"])

    def changes(finished: bool) -> dict[str, torch.Tensor]:
        model = prepare_model(toy_model(), TrainingConfig(lora=lora))
        torch.manual_seed(1)
        with torch.no_grad():
            for weight in filter(lambda weight: weight.requires_grad, model.parameters()):
                weight.add_(torch.randn_like(weight) * 0.1)
        if finished:
            method.finish(model, lambda name: seed[name], config)
        return {name: weight - seed[name] for name, weight in merge_adapters(model).named_parameters()}

    before, after = changes(False), changes(True)
    assert max(change.abs().max().item() for change in before.values()) > 0.01
    for name, change in before.items():
        assert torch.allclose(after[name], 0.25 * change, atol=1e-6), name


def test_the_generation_backend(names: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    mamba = MambaForCausalLM(
        MambaConfig(vocab_size=64, hidden_size=16, num_hidden_layers=1, state_size=4, initializer_range=0.5)
    ).eval()
    monkeypatch.setattr(registry, "BACKENDS", {"uncached": names["uncached.Uncached"], **registry.BACKENDS})
    settings = DecodingSettings(2, frozenset({5}), pad_id=0)
    llama = toy_model()
    assert type(registry.build_generator(llama, settings)) is registry.BACKENDS["continuous_batching"]
    generator = registry.build_generator(mamba, settings)
    assert type(generator) is names["uncached.Uncached"]
    shares: list[float] = []
    answers = generator.generate([[1, 2, 3], [4]], [3, 0], lambda progress: shares.append(progress.share))
    assert (len(answers[0]), answers[1], shares) == (3, [], [1.0])
    prompts = [[7, 8, 9, 10], [3], [11, 12]]
    expected = registry.build_generator(llama, settings).generate(prompts, [9, 4, 6])
    assert names["uncached.Uncached"](llama, settings).generate(prompts, [9, 4, 6]) == expected


def test_the_sampler(names: dict[str, Any]) -> None:
    assert names["search.Nsga3Sampler"](name="nsga3").population_size == 12


def test_the_objective(names: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OBJECTIVES, "balanced", names["balanced.BalancedShares"])
    contract = ObjectiveContract()
    monkeypatch.setattr(
        ObjectiveContract, "config", names["objective.BalancedObjective"](name="balanced"), raising=False
    )
    contract.test_a_score_has_one_value_per_name()
    contract.test_a_perfect_estimate_gives_the_values_of_the_score()
    contract.test_a_trial_that_is_safer_and_more_useful_ranks_before_another()
    contract.test_every_candidate_is_judged()
    contract.test_its_texts_are_single_lines()
    assert contract.objective.score(TRIAL, BOTH).objective == pytest.approx(0.75)
