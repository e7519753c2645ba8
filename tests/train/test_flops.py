"""FLOPs counted on one micro-batch, against counts by hand, other micro-batches, and the estimate."""

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig, LlamaForCausalLM

from lookahead_ray.config.training import LoraConfig, TrainingConfig
from lookahead_ray.data.chat import Rendered
from lookahead_ray.method import vanilla
from lookahead_ray.method.compute import Work, generated, teacher_forced
from lookahead_ray.train.batches import collate
from lookahead_ray.train.flops import Costs, _costs, count, estimated_flops
from lookahead_ray.train.model import prepare_model, supervised
from lookahead_ray.train.packing import work_of
from lookahead_ray.train.packing_support import enable_packing
from tests.model.families import FAMILIES, make
from tests.toy import VOCAB, toy_model
from tests.train.reference import make_rows

HIDDEN, LAYERS, MLP, KEYS = 32, 2, 64, 16
LINEAR = 2 * HIDDEN * HIDDEN + 2 * HIDDEN * KEYS + 3 * HIDDEN * MLP
BODY = LAYERS * (LINEAR + 2 * HIDDEN) + HIDDEN
LORA = LoraConfig(rank=4)
TRAININGS: dict[str, TrainingConfig] = {
    "full": TrainingConfig(),
    "lora": TrainingConfig(lora=LORA),
    "checkpointing": TrainingConfig(gradient_checkpointing=True),
    "lora and checkpointing": TrainingConfig(lora=LORA, gradient_checkpointing=True),
}
LOSS = supervised(vanilla.answer_loss, pad_id=0)


def direct(model: Any, rows: Any) -> float:
    """Return the forward and backward FLOPs that torch counts for these rows."""
    with FlopCounterMode(display=False) as counter:
        LOSS(model.train(), rows).backward()
    return float(counter.get_total_flops())


class TestCount:
    @pytest.mark.parametrize("tied", [True, False])
    def test_full_weights_by_hand(self, tied: bool) -> None:
        forward, training = count(
            prepare_model(toy_model(tie_word_embeddings=tied), TrainingConfig()), LOSS, make_rows(5)
        )
        assert forward.token == 2 * LAYERS * LINEAR
        assert forward.logit == 2 * HIDDEN * VOCAB
        assert forward.pair == pytest.approx(4 * HIDDEN * LAYERS, rel=5e-3)  # rotary angles are added
        assert (training.pair, training.logit) == (3 * forward.pair, 3 * forward.logit)
        assert training.token == pytest.approx(3 * forward.token, rel=1e-3)

    def test_checkpointing_computes_layers_twice_and_the_head_once(self) -> None:
        forward, training = count(
            prepare_model(toy_model(), TRAININGS["checkpointing"]), LOSS, make_rows(5), recomputes=True
        )
        assert training.logit == 3 * forward.logit
        assert 3.5 * forward.token < training.token <= 4 * forward.token

    def test_checkpointing_of_every_second_layer_computes_half_of_them_twice(self) -> None:
        whole, half, none = (
            _costs(prepare_model(toy_model(), config), config, 300)[1]
            for config in (TrainingConfig(gradient_checkpointing=value) for value in (True, 2, False))
        )
        for cost in ("token", "pair"):
            ends = getattr(whole, cost), getattr(none, cost)
            assert getattr(half, cost) == pytest.approx(sum(ends) / 2, rel=1e-3)

    def test_frozen_weights_have_no_gradients(self) -> None:
        forward, training = count(prepare_model(toy_model(), TRAININGS["lora"]), LOSS, make_rows(5))
        assert training.logit == 2 * forward.logit
        assert 2 * forward.token < training.token < 3 * forward.token

    @pytest.mark.parametrize("training", TRAININGS)
    @pytest.mark.parametrize(
        "family", ["llama", "llama, tied", "gemma2, windows", "gpt2, absolute positions"]
    )
    def test_one_micro_batch_gives_the_cost_of_any_other(self, family: str, training: str) -> None:
        assert family in FAMILIES
        model = prepare_model(make(family), TRAININGS[training])
        counted = make_rows(4, seed=1)
        _, costs = count(model, LOSS, counted, recomputes=TRAININGS[training].gradient_checkpointing)
        assert costs.of(work_of(model, counted)) == pytest.approx(direct(model, counted), rel=1e-9)
        for rows in (make_rows(1, seed=2), make_rows(7, seed=3)):
            assert costs.of(work_of(model, rows)) == pytest.approx(direct(model, rows), rel=5e-3)

    def test_nothing_is_left_behind(self) -> None:
        model, rows = toy_model(), make_rows(3)
        before = {name: weight.clone() for name, weight in model.state_dict().items()}
        state = torch.get_rng_state()
        count(model, LOSS, rows)
        assert torch.equal(torch.get_rng_state(), state)
        assert all(weight.grad is None for weight in model.parameters())
        assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())
        assert not model.training


class TestWork:
    def test_of_a_micro_batch_counts_no_padding(self) -> None:
        rows, model = make_rows(6), toy_model()
        inputs = [row.length - 1 for row in rows]
        expected = Work(sum(inputs), sum(n**2 for n in inputs), sum(len(row.answer_ids) for row in rows))
        assert work_of(model, rows) == teacher_forced(rows) == expected
        assert enable_packing(model)
        assert work_of(model, rows) == expected

    def test_a_beginning_that_is_computed_once_counts_once(self) -> None:
        model = prepare_model(toy_model(), TrainingConfig())
        rows = [Rendered((7, 7, 7, 7, *row.prompt_ids), row.answer_ids) for row in make_rows(6)]
        ids = collate(rows, 0, model).inputs["input_ids"]
        assert isinstance(ids, torch.Tensor)
        work = work_of(model, rows)
        assert work.tokens == ids.numel() == teacher_forced(rows).tokens - 5 * 4
        _, costs = count(model, LOSS, rows[:1])
        assert costs.of(work) == pytest.approx(direct(model, rows), rel=5e-3)

    def test_of_generation_is_the_prompts_and_then_a_row_of_pairs_a_token(self) -> None:
        assert generated(prompt=10, new=0) == Work(10, 100, 1)
        assert generated(prompt=10, new=3) == Work(13, 100 + 11 + 12 + 13, 4)

    def test_costs_are_summed(self) -> None:
        assert Costs(2.0, 3.0, 5.0).of(Work(10, 100, 1) + Work(1, 0, 1)) == 22 + 300 + 10


class TestEstimate:
    def test_six_a_parameter_and_token_without_embeddings(self) -> None:
        assert estimated_flops(toy_model(tie_word_embeddings=True), 1000) == 6.0 * BODY * 1000
        untied = toy_model(tie_word_embeddings=False)  # its head is not an embedding
        assert estimated_flops(untied, 1000) == 6.0 * (BODY + VOCAB * HIDDEN) * 1000
        assert estimated_flops(untied, 0) == 0.0

    @pytest.mark.parametrize("rank", [1, 4])
    def test_adapters_count_with_the_weights_they_sit_on(self, rank: int) -> None:
        config = TrainingConfig(lora=LoraConfig(rank=rank, target_modules=("q_proj",)))
        model = prepare_model(toy_model(tie_word_embeddings=True), config)
        assert estimated_flops(model, 10) == 6.0 * (BODY + LAYERS * 2 * HIDDEN * rank) * 10

    @pytest.mark.parametrize(("training", "share"), [("full", 1.0), ("lora", 2 / 3)])
    def test_agrees_with_the_count_within_a_tenth(self, training: str, share: float) -> None:
        """For wide layers and rows of one length; adapters save a third, the weights' gradients."""
        torch.manual_seed(0)
        shape = LlamaConfig(
            vocab_size=VOCAB,
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=4,
            tie_word_embeddings=True,
        )
        model = prepare_model(LlamaForCausalLM(shape), TRAININGS[training])
        rows = make_rows(1)
        tokens = teacher_forced(rows).tokens
        assert direct(model, rows) == pytest.approx(share * estimated_flops(model, tokens), rel=0.1)
