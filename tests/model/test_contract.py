"""Every causal language model with a chat template: training, generation, evaluation, saving, loading.

Each family is compared with a plain use of the same model: whole sequences, one row at a time, no padding, no
cache.
"""

from pathlib import Path
from typing import Any

import pytest
import torch

from lookahead_ray.config.model import ModelConfig
from lookahead_ray.config.training import LoraConfig, TrainingConfig
from lookahead_ray.data.chat import end_token_id, prompt_ids, render_all
from lookahead_ray.data.example import Example
from lookahead_ray.errors import ModelError
from lookahead_ray.evaluate.generation.base import DecodingSettings, end_token_ids
from lookahead_ray.evaluate.generation.registry import build_generator
from lookahead_ray.evaluate.teacher_forced import divergence, early_logits
from lookahead_ray.method import vanilla
from lookahead_ray.model import load
from lookahead_ray.train.loop import train
from lookahead_ray.train.model import prepare_model, supervised
from tests.model.families import CONTEXT, FAMILIES, PADDED, RECURRENT, TOKENIZER, make
from tests.train.reference import loss_sum
from tests.train.test_loop import PlainEngine

CONFIG = TrainingConfig(learning_rate=3e-3, epochs=6, batch_size=4, micro_batch_size=2, precision="fp32")
EXAMPLES = [Example("Be brief.", f"{'Count' * (n % 3)} {n}?", f"{n} and {n + 1}") for n in range(6)]
ROWS = render_all(TOKENIZER, EXAMPLES, CONTEXT)
PROMPTS = [prompt_ids(TOKENIZER, text, None) for text in ("Hi", "What is the answer?", "x" * 40)]
LORA = LoraConfig(rank=4)


pytestmark = pytest.mark.usefixtures("group")


@pytest.fixture(params=[*FAMILIES, *PADDED])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def saved(name: str, folder: Path) -> ModelConfig:
    make(name).save_pretrained(folder)
    TOKENIZER.save_pretrained(folder)
    return ModelConfig(path=str(folder))


def trained(model: Any, lora: LoraConfig | None, **changes: Any) -> Any:
    config = CONFIG.model_copy(update={"lora": lora, **changes})
    torch.manual_seed(0)
    model = prepare_model(model, config)
    engine = PlainEngine(model, config, len(ROWS))
    steps = train(engine, ROWS, supervised(vanilla.answer_loss, 0), config, seed=0, on_step=lambda step: None)
    return model, [step.loss for step in steps]


def answers(model: Any, prompts: Any = PROMPTS, new_tokens: int = 12) -> list[list[int]]:
    settings = DecodingSettings(4, end_token_ids(model, end_token_id(TOKENIZER)), pad_id=0)
    return build_generator(model, settings).generate(prompts, new_tokens)


def plain_answer(model: Any, prompt: Any, new_tokens: int) -> list[int]:
    """Generate greedily, with a full forward pass over the sequence for each token."""
    ends, ids = end_token_ids(model, end_token_id(TOKENIZER)), list(prompt)
    with torch.no_grad():
        for _ in range(new_tokens):
            token = int(model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax())
            if token in ends:
                break
            ids.append(token)
    return ids[len(prompt) :]


def test_losses_of_padded_rows_are_those_of_single_ones(name: str) -> None:
    model = make(name)
    expected = loss_sum(model, ROWS).item()
    assert supervised(vanilla.answer_loss, 0)(model, ROWS).item() == pytest.approx(expected, rel=1e-4)


def test_answers_of_a_padded_batch_are_those_of_single_prompts(name: str) -> None:
    model = make(name)
    assert answers(model) == [plain_answer(model, prompt, 12) for prompt in PROMPTS]


@pytest.mark.parametrize("name", RECURRENT)
def test_answers_of_recurrent_models_are_those_of_single_prompts(name: str) -> None:
    """Answers end at different times, so that finished rows leave the batch."""
    model = make(name)
    torch.manual_seed(1)
    model.apply(_spread)
    limits = [2, 12, 7]
    settings = DecodingSettings(4, end_token_ids(model, end_token_id(TOKENIZER)), pad_id=0)
    found = build_generator(model, settings).generate(PROMPTS, limits)
    expected = [plain_answer(model, prompt, limit) for prompt, limit in zip(PROMPTS, limits, strict=True)]
    assert found == expected
    assert len({*expected[1], *expected[2]}) > 2, "answers that repeat one token would hide a lost state"


def _spread(module: torch.nn.Module) -> None:
    """Give matrices large random numbers, so that a token's logits depend on those before it."""
    for weight in module.parameters(recurse=False):
        if weight.dim() > 1:
            torch.nn.init.normal_(weight, std=0.3)


@pytest.mark.parametrize("lora", [None, pytest.param(LORA, marks=pytest.mark.slow)], ids=["full", "lora"])
def test_trains_and_is_found_again_as_it_was(name: str, lora: LoraConfig | None, tmp_path: Path) -> None:
    config = saved(name, tmp_path / "seed")
    tokenizer, model = load.load_tokenizer(config), load.load_model(config, torch.float32)
    openings = [list(row.answer_ids) for row in ROWS[:3]]

    def early(model: Any) -> torch.Tensor:
        pad_id = tokenizer.pad_token_id
        return torch.cat([*early_logits(model, PROMPTS, openings, positions=4, batch_size=2, pad_id=pad_id)])

    before = early(model)
    assert divergence(early(model), before).abs().max() < 1e-5
    model, losses = trained(model, lora)
    assert losses[-1] < losses[0]
    moved = divergence(early(model), before)
    assert moved.isfinite().all()
    assert moved.mean() > 1e-3
    found = answers(model)
    if lora is not None:
        model = model.merge_and_unload()
    model.save_pretrained(tmp_path / "tuned")
    tokenizer.save_pretrained(tmp_path / "tuned")
    again = load.load_model(ModelConfig(path=str(tmp_path / "tuned")), torch.float32)
    torch.testing.assert_close(early(again), early(model), rtol=1e-3, atol=1e-3)
    assert answers(again) == found
    heads = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert (again.get_output_embeddings().weight is again.get_input_embeddings().weight) is heads


def test_checkpointing_changes_no_loss(name: str) -> None:
    _, plain = trained(make(name), None, epochs=1)
    _, checkpointed = trained(make(name), None, epochs=1, gradient_checkpointing=True)
    assert checkpointed == pytest.approx(plain, rel=1e-5)


def test_half_precision_loads_and_generates(name: str, tmp_path: Path) -> None:
    model = load.load_model(saved(name, tmp_path), torch.bfloat16)
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}
    assert [len(answer) <= 5 for answer in answers(model, new_tokens=5)] == [True] * 3


class TestContext:
    def test_is_known(self, name: str) -> None:
        assert load.context_length(make(name)) == CONTEXT

    def test_prompt_and_answer_must_fit(self, name: str) -> None:
        model, prompt = make(name), [(5,) * (CONTEXT - 3)]
        assert len(answers(model, prompt, new_tokens=3)[0]) <= 3
        with pytest.raises(ModelError) as caught:
            answers(model, prompt, new_tokens=4)
        assert str(caught.value) == (
            "253 tokens of prompt and 4 new ones are 257 tokens, but the model's context length is 256"
        )
