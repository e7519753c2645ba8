"""Rows packed into one sequence give the losses and gradients of single rows."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import FalconH1Config, FalconH1ForCausalLM, GptOssConfig, GptOssForCausalLM

from lookahead_ray.config.model import EMBEDDED_UNALIGNED, ModelConfig
from lookahead_ray.config.training import LoraConfig, TrainingConfig
from lookahead_ray.data.chat import Rendered
from lookahead_ray.evaluate.teacher_forced import answer_nats
from lookahead_ray.method import vanilla
from lookahead_ray.model.load import load_model
from lookahead_ray.train import packed_attention, packing_support
from lookahead_ray.train.model import prepare_model, supervised
from lookahead_ray.train.packing import pack_rows, packs, shared_tokens
from lookahead_ray.train.packing_support import enable_packing, packing, why_not
from tests.model.families import FAMILIES, PADDED, SHAPE, WINDOW, make
from tests.toy import toy_model
from tests.train.reference import loss_sum, make_rows

SYSTEM = (3, 1, 4, 1, 5)
CHATS = [Rendered((*SYSTEM, *row.prompt_ids), row.answer_ids) for row in make_rows(5)]
LOSS = supervised(vanilla.answer_loss, pad_id=0)
TOKENS = sum(row.length - 1 for row in packing_support.TRIED)
ONE_ROW = {f"cu_seq_lens_{part}": torch.tensor([0, TOKENS], dtype=torch.int32) for part in "qk"}
TRAININGS = {
    "all weights": TrainingConfig(),
    "adapters": TrainingConfig(lora=LoraConfig(rank=2)),
    "checkpointing": TrainingConfig(gradient_checkpointing=True),
}


def gradients(model: Any, rows: list[Rendered]) -> tuple[float, torch.Tensor]:
    model.zero_grad()
    loss = LOSS(model, rows)
    loss.backward()
    return loss.item(), torch.cat(
        [weight.grad.flatten() for weight in model.parameters() if weight.requires_grad]
    )


def assert_packed_equals_padded(model: Any, rows: list[Rendered]) -> None:
    """Compare loss and gradients of a model that packs with those of the same model with padded rows."""
    assert packs(model)
    packed = gradients(model, rows)
    model.set_attn_implementation("eager")
    padded = gradients(model, rows)
    assert packed[0] == pytest.approx(padded[0], rel=1e-5)
    assert (packed[1] - padded[1]).norm() <= 1e-5 * padded[1].norm()


@pytest.mark.parametrize("training", TRAININGS)
@pytest.mark.parametrize(
    "rows",
    [make_rows(4), CHATS, CHATS[:2] * 2, CHATS[:1]],
    ids=["nothing shared", "chats", "alike", "single"],
)
def test_loss_and_gradients_equal_those_of_padded_rows(rows: list[Rendered], training: str) -> None:
    torch.manual_seed(0)
    model = prepare_model(toy_model(), TRAININGS[training]).train()
    for name, weight in model.named_parameters():
        if "lora_B" in name:  # starts at zero, so the gradient of A is zero
            torch.nn.init.normal_(weight, std=0.1)
    assert_packed_equals_padded(model, rows)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_packed_with_equal_gradients(family: str) -> None:
    """Windows are shorter than the rows here, and the scores of Gemma 2 are bounded."""
    assert max(row.length for row in CHATS) > 2 * WINDOW
    assert_packed_equals_padded(prepare_model(make(family), TrainingConfig()).train(), CHATS)


def test_sinks_are_packed_too() -> None:
    torch.manual_seed(0)
    shape = {**SHAPE, "num_local_experts": 2, "num_experts_per_tok": 2, "sliding_window": WINDOW}
    model = GptOssForCausalLM(GptOssConfig(**shape)).float()
    for layer in model.model.layers:
        torch.nn.init.normal_(layer.self_attn.sinks)
    assert_packed_equals_padded(prepare_model(model, TrainingConfig()).train(), CHATS)


@pytest.mark.parametrize("rows", [CHATS, make_rows(4)], ids=["chats", "nothing shared"])
@pytest.mark.parametrize("family", ["llama", "mistral, windows"])
def test_long_rows_are_packed_too(family: str, rows: list[Rendered], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_attention, "LONG", 16)
    assert max(row.length for row in rows) > 16
    assert_packed_equals_padded(prepare_model(make(family), TrainingConfig()).train(), rows)


def test_packing_is_reproducible_to_the_bit() -> None:
    model = prepare_model(toy_model(), TrainingConfig()).train()
    first, second = gradients(model, CHATS), gradients(model, CHATS)
    assert first[0] == second[0]
    assert torch.equal(first[1], second[1])


def test_packed_rows_hold_no_padding() -> None:
    model = toy_model()
    assert enable_packing(model)
    sequence, _ = pack_rows(CHATS, shared_tokens(model, CHATS))
    ids = sequence["input_ids"]
    assert isinstance(ids, torch.Tensor)
    own = sum(row.length - 1 - len(SYSTEM) for row in CHATS)
    assert ids.shape == (1, len(SYSTEM) + own)


def test_a_shared_prefix_ends_before_the_last_token_of_a_prompt() -> None:
    model = toy_model()
    assert shared_tokens(model, CHATS) == 0  # rows are padded
    enable_packing(model)
    assert shared_tokens(model, CHATS) == len(SYSTEM)
    assert shared_tokens(model, CHATS[:1]) == 0
    assert shared_tokens(model, [Rendered((1, 2, 3), (4,)), Rendered((1, 2), (4,))]) == 1
    assert shared_tokens(model, [Rendered((1,), (2,)), Rendered((1,), (3,))]) == 0
    assert shared_tokens(model, make_rows(2)) == 0


class TestSupport:
    def test_layers_with_a_state_are_padded_and_it_is_logged_once(
        self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(packing_support, "_reasons", {})
        torch.manual_seed(0)
        shape = {**SHAPE, "mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8}
        with caplog.at_level(logging.WARNING):
            models = [
                prepare_model(FalconH1ForCausalLM(FalconH1Config(**shape)), TrainingConfig()) for _ in "ab"
            ]
        assert [packs(model) for model in models] == [False, False]
        assert [model.config._attn_implementation for model in models] == ["eager"] * 2
        assert len([record for record in caplog.records if "are padded" in record.message]) == 1

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda given: given.pop("cu_seq_lens_q"), "2 of its layers have another attention"),
            (lambda given: given.pop("sliding_window"), "its window doesn't reach the attention"),
            (lambda given: given.update(position_bias=torch.ones(1)), "it passes position_bias"),
            (lambda given: given.update(is_causal=False), "its attention isn't causal"),
            (lambda given: given.update(cu_seq_lens_k=None), "object has no attribute"),
            (lambda given: given.update(ONE_ROW), "a packed row's logits depend on the other rows"),
            (lambda given: given.update(scaling=0.0), "packed rows give other logits"),
        ],
    )
    def test_an_architecture_whose_attention_differs_is_padded(
        self, change: Callable[[dict[str, Any]], Any], reason: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model, attend = make("mistral, windows"), packed_attention.attend
        assert why_not(model) is None

        def differs(*arguments: Any, **named: Any) -> Any:
            if "cu_seq_lens_q" in named:
                change(named)
            return attend(*arguments, **named)

        before = model.config._attn_implementation
        mapping = packed_attention.AttentionInterface._global_mapping
        monkeypatch.setitem(mapping, packed_attention.NAME, differs)
        assert reason in str(why_not(model))
        assert model.config._attn_implementation == before

    @pytest.mark.parametrize("family", PADDED)
    def test_a_bias_of_the_scores_is_not_left_out(self, family: str) -> None:
        """Doge's depends on the keys, and short rows show it only with trained weights."""
        assert why_not(make(family)) in (
            "its attention can't be replaced",
            "it adds a mask of its own to its scores",
        )

    @pytest.mark.parametrize("family", FAMILIES)
    def test_rounding_of_half_precision_is_no_reason(self, family: str) -> None:
        """Gemma's and Qwen's rows differ by rounding, and more in models with large activations."""
        assert why_not(make(family).bfloat16()) is None

    @pytest.mark.slow
    def test_the_embedded_model_is_packed_in_both_precisions(self) -> None:
        for dtype in (torch.float32, torch.bfloat16):
            assert why_not(load_model(ModelConfig(path=EMBEDDED_UNALIGNED), dtype)) is None


class TestUnpackedPasses:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_a_model_that_packs_still_takes_masks(self, family: str) -> None:
        model = make(family)
        ids = torch.tensor([[0, 0, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4]])
        mask = torch.ones_like(ids)
        mask[0, :2] = 0
        inputs = {"input_ids": ids, "attention_mask": mask, "position_ids": (mask.cumsum(1) - 1).clamp(0)}
        with torch.no_grad():
            model.set_attn_implementation("eager")
            expected = model(**inputs).logits[mask == 1]
            assert enable_packing(model)
            torch.testing.assert_close(model(**inputs).logits[mask == 1], expected, rtol=1e-4, atol=1e-4)
            alone = model(input_ids=ids[1:]).logits
        torch.testing.assert_close(alone[0], expected[-13:], rtol=1e-4, atol=1e-4)

    def test_answer_loss_of_an_evaluation_is_packed_and_leaves_the_attention_alone(self) -> None:
        model = toy_model()
        before = model.config._attn_implementation
        found = answer_nats(model, CHATS, pad_id=0)
        assert found == pytest.approx([loss_sum(model, [row]).item() for row in CHATS], rel=1e-5)
        assert model.config._attn_implementation == before
        with packing(model):
            assert packs(model)


class TestKernel:
    """The variable-length kernel's arguments, on a stand-in, as it runs on GPUs only."""

    @pytest.mark.parametrize("family", ["llama", "mistral, windows"])
    def test_rows_by_the_kernel_equal_padded_ones(self, family: str, monkeypatch: pytest.MonkeyPatch) -> None:
        calls = []

        def varlen(
            query: torch.Tensor,
            key: torch.Tensor,
            value: torch.Tensor,
            starts: torch.Tensor,
            key_starts: torch.Tensor,
            longest: int,
            longest_key: int,
            *,
            scale: float,
            window_size: tuple[int, int],
            enable_gqa: bool,
        ) -> torch.Tensor:
            assert starts is key_starts
            assert (starts.dtype, longest) == (torch.int32, int(starts.diff().max()))
            assert longest == longest_key
            row = torch.bucketize(torch.arange(len(query)), starts[1:], right=True)
            place = torch.arange(len(query)) - starts[row]
            distance = place[:, None] - place
            allowed = (row[:, None] == row) & (distance >= -window_size[1])
            if window_size[0] >= 0:
                allowed &= distance <= window_size[0]
            calls.append(enable_gqa)
            query, key, value = (part.transpose(0, 1)[None] for part in (query, key, value))
            out = torch.nn.functional.scaled_dot_product_attention(
                query, key, value, attn_mask=allowed, scale=scale, enable_gqa=enable_gqa
            )
            return out[0].transpose(0, 1)

        monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", varlen)
        monkeypatch.setattr(packed_attention, "uses_kernel", lambda query: True)
        monkeypatch.setattr("lookahead_ray.train.packing.SHARING", ())
        monkeypatch.setattr(packing_support, "_reasons", {})
        assert_packed_equals_padded(prepare_model(make(family), TrainingConfig()).train(), CHATS)
        assert calls
        assert all(calls)
