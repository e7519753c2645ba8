"""The GPU's way to decode gives the same tokens: several passes at once, padded rows, captured passes."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch

from lookahead_ray.evaluate.generation import continuous_batching, decode_attention
from lookahead_ray.evaluate.generation.base import DecodingSettings
from lookahead_ray.evaluate.generation.continuous_batching import ContinuousBatching
from lookahead_ray.evaluate.generation.decoding import ON_CPU, ON_GPU, DecodingPlan, Pass, Passes, plan_for
from tests.evaluate.generation.test_backends import LONGEST, PROMPTS, reference
from tests.toy import toy_model


class Recorder:
    """A stand-in for CUDA graphs, which replays a pass on the tensors that it was captured with."""

    def __init__(self) -> None:
        self.captures = self.replays = 0

    def __call__(self, one_pass: Pass) -> Pass:
        self.captures += 1
        places = {id(each): each.data_ptr() for each in _tensors(one_pass)}

        def replay() -> None:
            self.replays += 1
            assert {id(each): each.data_ptr() for each in _tensors(one_pass)} == places
            one_pass()

        return replay


def _tensors(one_pass: Any) -> list[torch.Tensor]:
    """Return what a captured pass keeps the addresses of."""
    rows = one_pass.__self__
    return [
        rows._tokens,
        rows.slots.positions,
        *(state for layer in rows.slots._layers for state in layer.states),
    ]


def answers(plan: DecodingPlan, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> list[list[int]]:
    monkeypatch.setattr(continuous_batching, "plan_for", lambda device: plan)
    model = toy_model(seed=2)
    chosen = {"batch_size": 4, "end_ids": frozenset(), "pad_id": 0, **settings}
    return ContinuousBatching(model, DecodingSettings(**chosen)).generate(PROMPTS, LONGEST)


@cache
def references(ends: frozenset[int]) -> list[list[int]]:
    """Return Transformers' own answers."""
    model = toy_model(seed=2)
    return [reference(model, prompt, ends) for prompt in PROMPTS]


@pytest.mark.parametrize("passes", [1, 3, 100])
@pytest.mark.parametrize("width", [1, 8])
@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_tokens_are_those_of_transformers(
    monkeypatch: pytest.MonkeyPatch, passes: int, width: int, batch_size: int
) -> None:
    endless = references(frozenset())
    recorder = Recorder()
    plan = DecodingPlan(stride=32, reads=16, passes=passes, width=width, capture=recorder)
    assert answers(plan, monkeypatch, batch_size=batch_size) == endless
    ends = frozenset([endless[0][0], endless[1][6]])
    assert answers(plan, monkeypatch, batch_size=batch_size, end_ids=ends) == references(ends)
    assert recorder.replays >= recorder.captures > 0


def test_few_captures_serve_many_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder()
    answers(replace(ON_GPU, capture=recorder), monkeypatch)
    assert recorder.captures <= 3
    assert recorder.replays > 10 * recorder.captures


def test_a_row_never_leaves_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """Surplus passes of an answer that has ended must not read positions that the model doesn't have."""
    model = toy_model(seed=2)
    context = model.config.max_position_embeddings
    seen: list[int] = []
    model.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(int(kwargs["position_ids"].max())), with_kwargs=True
    )
    monkeypatch.setattr(continuous_batching, "plan_for", lambda device: replace(ON_GPU, capture=None))
    limits = [context - 20, 3]
    prompts = [[1 + place % 7 for place in range(length)] for length in (20, context - 3)]
    found = ContinuousBatching(model, DecodingSettings(4, frozenset(), 0)).generate(prompts, limits)
    assert [len(answer) for answer in found] == limits
    assert max(seen) == context - 2  # the last token is generated, not read


def test_a_pass_that_cannot_be_captured_runs_plainly(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(one_pass: Pass) -> Pass:
        raise RuntimeError("operation not permitted when stream is capturing")

    plain = answers(ON_CPU, monkeypatch)
    assert answers(replace(ON_GPU, capture=fail), monkeypatch) == plain
    assert caplog.text.count("decoding without CUDA graphs") == 1
    assert "not permitted when stream is capturing" in caplog.text


def test_the_first_pass_of_a_shape_is_not_captured() -> None:
    """It warms up what a captured pass must find there, and it counts."""
    calls: list[str] = []

    def capture(one_pass: Pass) -> Pass:
        calls.append("capture")
        return lambda: calls.append("replay")

    passes = Passes(replace(ON_GPU, capture=capture))
    for shape in ((8, 128), (8, 128), (8, 128), (16, 128), (8, 256)):
        passes.run(shape, lambda: calls.append("plain"))
    assert calls == ["plain", "capture", "replay", "replay", "plain", "plain"]


def test_gpus_alone_capture() -> None:
    assert plan_for(torch.device("cpu")) is ON_CPU
    assert plan_for(torch.device("cuda", 0)) is ON_GPU


def test_grouped_heads_attend_like_repeated_ones() -> None:
    torch.manual_seed(0)
    query, mask = torch.randn(3, 6, 1, 8), torch.zeros(3, 1, 1, 10)
    key, value = torch.randn(2, 3, 2, 10, 8)
    mask[0, ..., 4:] = mask[1, ..., 9:] = torch.finfo(torch.float32).min
    repeated = (each.repeat_interleave(3, dim=1) for each in (key, value))
    expected = torch.nn.functional.scaled_dot_product_attention(query, *repeated, attn_mask=mask, scale=0.3)
    found, _ = decode_attention.token_by_token(torch.nn.Identity(), query, key, value, mask, 0.3)
    torch.testing.assert_close(found.transpose(1, 2), expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, this machine has none")
def test_graphs_are_captured_on_a_gpu(caplog: pytest.LogCaptureFixture) -> None:
    model = toy_model(seed=2)
    expected = [reference(model, prompt, frozenset()) for prompt in PROMPTS]
    settings = DecodingSettings(4, frozenset(), 0)
    assert ContinuousBatching(model.to("cuda"), settings).generate(PROMPTS, LONGEST) == expected
    assert "without CUDA graphs" not in caplog.text
