"""Greedy generation in batches equals Transformers' own, prompt by prompt."""

import gc
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest
import torch
from transformers import AttentionInterface, GenerationConfig, MistralConfig, MistralForCausalLM

from lookahead_ray.errors import ModelError
from lookahead_ray.evaluate.generation import continuous_batching, decode_attention
from lookahead_ray.evaluate.generation.base import Backend, DecodingSettings, end_token_ids
from lookahead_ray.evaluate.generation.continuous_batching import find_slots_obstacle
from lookahead_ray.evaluate.generation.meter import STEP_COST
from lookahead_ray.evaluate.generation.registry import BACKENDS, build_generator
from lookahead_ray.evaluate.generation.static_batching import StaticBatching
from lookahead_ray.method.generator import STOP_EVERY
from lookahead_ray.method.reporting import GenerationProgress, OnGeneration
from tests.toy import VOCAB, toy_model

RNG = random.Random(5)
PROMPTS = [
    [RNG.randrange(1, VOCAB) for _ in range(length)] for length in (3, 17, 1, 9, 30, 3, 12, 5, 21, 8, 2)
]
LONGEST = 24
EVERYWHERE = [name for name in BACKENDS if name != "vllm"]  # see `test_vllm`


@pytest.fixture(scope="module")
def model() -> Any:
    return toy_model(seed=2)


@pytest.fixture
def passes(model: Any) -> Iterator[list[tuple[int, ...]]]:
    """Record (rows, tokens) of each forward pass."""
    continuous_batching.ContinuousBatching.supports(model)  # tries it once
    seen: list[tuple[int, ...]] = []
    hook = model.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    yield seen
    hook.remove()


def toy_mistral() -> Any:
    """A model whose attention counts the positions between two tokens, padding included."""
    torch.manual_seed(2)
    config = MistralConfig(
        vocab_size=VOCAB,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        sliding_window=8,
    )
    return MistralForCausalLM(config).eval()


def reference(model: Any, prompt: list[int], end_ids: frozenset[int]) -> list[int]:
    ids = torch.tensor([prompt])
    config = GenerationConfig(
        do_sample=False, max_new_tokens=LONGEST, eos_token_id=sorted(end_ids) or None, pad_token_id=0
    )
    output = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)
    answer = output[0, len(prompt) :].tolist()
    return answer[:-1] if answer[-1] in end_ids else answer


def run(
    model: Any,
    prompts: Any = PROMPTS,
    batch_size: int = 4,
    limits: int | list[int] = LONGEST,
    end_ids: frozenset[int] = frozenset(),
    progress: OnGeneration | None = None,
) -> list[list[int]]:
    generator = build_generator(model, DecodingSettings(batch_size, end_ids, pad_id=0))
    return generator.generate(prompts, limits, progress)


@pytest.fixture(scope="module")
def endless(model: Any) -> list[list[int]]:
    return [reference(model, prompt, frozenset()) for prompt in PROMPTS]


@pytest.fixture(scope="module")
def end_ids(endless: list[list[int]]) -> frozenset[int]:
    """Return two tokens with which answers end at different times: at once, early, late, never."""
    return frozenset([endless[0][0], endless[1][6]])


@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_equals_transformers_token_for_token(
    model: Any, endless: list[list[int]], end_ids: frozenset[int], batch_size: int
) -> None:
    assert run(model, batch_size=batch_size) == endless
    expected = [reference(model, prompt, end_ids) for prompt in PROMPTS]
    assert run(model, batch_size=batch_size, end_ids=end_ids) == expected
    assert len({len(answer) for answer in expected}) >= 3  # the answers do end at different times
    assert expected[0] == []


@pytest.mark.parametrize("name", EVERYWHERE)
def test_every_backend_that_supports_a_model_says_the_same(
    model: Any, end_ids: frozenset[int], name: str
) -> None:
    assert BACKENDS[name].supports(model)
    answers = BACKENDS[name](model, DecodingSettings(4, end_ids, pad_id=0)).generate(PROMPTS, LONGEST)
    assert answers == [reference(model, prompt, end_ids) for prompt in PROMPTS]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda given: given.update(attention_mask=None), "it gives other logits in cache slots"),
        (lambda given: given.update(scaling=0.0), "it gives other logits in cache slots"),
        (lambda given: given.update(scaling="none"), "argument 'scale' must be float, not str"),
    ],
)
def test_an_architecture_whose_attention_differs_is_answered_in_batches(
    change: Callable[[dict[str, Any]], Any], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, attend = toy_model(seed=2), decode_attention.token_by_token
    assert find_slots_obstacle(model) is None

    def differs(module: Any, query: Any, key: Any, value: Any, mask: Any, **named: Any) -> Any:
        given = {**named, "attention_mask": mask}
        change(given)
        return attend(module, query, key, value, **given)

    monkeypatch.setitem(AttentionInterface._global_mapping, decode_attention.NAME, differs)
    monkeypatch.setattr(continuous_batching, "_reasons", {})
    assert reason in str(find_slots_obstacle(model))
    assert isinstance(build_generator(model, DecodingSettings(4, frozenset(), pad_id=0)), StaticBatching)


def spoiled(answer: list[int], place: int) -> list[int]:
    """Return an answer whose token at a place, or at its end, is another one."""
    return [*answer[:place], *(63 - token for token in answer[place : place + 1]), 7, 9]


def drafts_of(answers: list[list[int]]) -> dict[str, list[list[int]]]:
    """Return drafts that are right, wrong from some token on, too long, and mixed."""
    places = range(len(answers))
    return {
        "right": answers,
        "wrong at once": [[60, *answer] for answer in answers],
        "wrong later": [spoiled(answers[place], place % 5) for place in places],
        "beginnings": [answers[place][: 2 * place] for place in places],
        "too long": [[*answer, *[3] * LONGEST] for answer in answers],
        "mixed": [(answers[place], [], spoiled(answers[place], 4))[place % 3] for place in places],
    }


@pytest.mark.parametrize(
    ("kind", "shared"), [*((kind, []) for kind in drafts_of([])), ("mixed", [5, 9, 2, 31, 7])]
)
def test_drafts_change_no_answer(
    model: Any, end_ids: frozenset[int], kind: str, shared: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = [1, 9, LONGEST, 5, LONGEST, LONGEST, 3, 9, LONGEST, 2, 20]
    prompts = [shared + prompt for prompt in PROMPTS]
    settings = DecodingSettings(4, end_ids, pad_id=0)
    whole = StaticBatching(model, settings).generate(prompts, LONGEST)
    expected = [answer[:limit] for answer, limit in zip(whole, limits, strict=True)]
    drafts = drafts_of(whole)[kind]
    for name, at_once in (*((name, 512) for name in EVERYWHERE), ("continuous_batching", 20)):
        monkeypatch.setattr(continuous_batching, "CHECKED_AT_ONCE", at_once)
        told: list[GenerationProgress] = []
        backend = BACKENDS[name](model, settings)
        assert backend.generate(prompts, limits, told.append, drafts=drafts) == expected
        assert told[-1].done == told[-1].total


def test_right_drafts_take_a_pass_for_each_group(model: Any, passes: list[tuple[int, ...]]) -> None:
    answers = run(model)
    passes.clear()
    settings = DecodingSettings(64, frozenset(), pad_id=0)
    assert build_generator(model, settings).generate(PROMPTS, LONGEST, drafts=answers) == answers
    assert len(passes) == 1


def test_drafts_and_stops(model: Any, endless: list[list[int]]) -> None:
    stops = [lambda answer: len(answer) >= STOP_EVERY] * len(PROMPTS)
    found = run_with(model, stops, endless)
    assert found == run_with(model, stops, None) == [answer[:STOP_EVERY] for answer in endless]


def run_with(model: Any, stops: Any, drafts: Any) -> list[list[int]]:
    generator = build_generator(model, DecodingSettings(4, frozenset(), pad_id=0))
    return generator.generate(PROMPTS, LONGEST, stops=stops, drafts=drafts)


class Heedless(Backend):
    """A backend that never asks whether an answer may stop."""

    @staticmethod
    def supports(model: Any) -> bool:
        return True

    def answers(self, prompts: Any, limits: Any, progress: Any) -> Iterator[tuple[int, list[int]]]:
        yield from enumerate(StaticBatching(self.model, self.settings).generate(prompts, limits))


@pytest.mark.parametrize("backend", [*(BACKENDS[name] for name in EVERYWHERE), Heedless])
def test_an_answer_ends_where_its_stop_says_so(
    model: Any, endless: list[list[int]], backend: type[Backend]
) -> None:
    """Stops are called at multiples of `STOP_EVERY`, at most once for each length of an answer."""
    calls: list[tuple[int, int]] = []

    def stop_at(index: int, length: int) -> Callable[[Sequence[int]], bool]:
        def stop(answer: Sequence[int]) -> bool:
            calls.append((index, len(answer)))
            return len(answer) >= length

        return stop

    stops = [None if index % 3 == 0 else stop_at(index, index % 3) for index in range(len(PROMPTS))]
    settings = DecodingSettings(4, frozenset(), pad_id=0)
    answers = backend(model, settings).generate(PROMPTS, LONGEST, None, stops)
    assert LONGEST > STOP_EVERY
    expected = [
        answer if stop is None else answer[:STOP_EVERY] for answer, stop in zip(endless, stops, strict=True)
    ]
    assert answers == expected
    assert sorted(calls) == [(index, STOP_EVERY) for index, stop in enumerate(stops) if stop]


def test_the_first_backend_that_supports_a_model_generates(
    model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = DecodingSettings(4, frozenset(), pad_id=0)
    assert type(build_generator(model, settings)) is BACKENDS["continuous_batching"]
    assert type(build_generator(toy_mistral(), settings)) is BACKENDS["static_batching"]
    monkeypatch.delitem(BACKENDS, "static_batching")
    with pytest.raises(ModelError, match="no generation backend supports MistralForCausalLM on cpu"):
        build_generator(toy_mistral(), settings)
    with pytest.raises(ModelError, match="backend vllm does not support LlamaForCausalLM on cpu"):
        build_generator(model, settings, "vllm")  # outside of ranks


def test_attention_with_a_window_answers_batch_by_batch(end_ids: frozenset[int]) -> None:
    model = toy_mistral()
    expected = [reference(model, prompt, end_ids) for prompt in PROMPTS]
    assert run(model, end_ids=end_ids) == expected


def test_a_common_prefix_is_prefilled_once(model: Any, passes: list[tuple[int, ...]]) -> None:
    begun = [5, 9, 2, 31, 7]
    prompts = [begun + prompt for prompt in PROMPTS]
    expected = [reference(model, prompt, frozenset()) for prompt in prompts]
    passes.clear()
    assert run(model, prompts) == expected
    assert passes[0] == (1, len(begun))
    assert passes[1] == (4, 3)  # the four shortest, without it


def test_a_row_that_has_ended_makes_room_for_the_next_prompt(
    model: Any, end_ids: frozenset[int], passes: list[tuple[int, ...]]
) -> None:
    answers = run(model, batch_size=4, end_ids=end_ids)
    asked = [rows for rows, tokens in passes if tokens == 1]
    read = [rows for rows, tokens in passes if tokens > 1]
    assert max(asked) == max(read) == 4
    assert sum(read) == len(PROMPTS)
    assert sum(asked) == sum(min(len(answer), LONGEST - 1) for answer in answers)  # reading says the first
    assert read[1:] != [4, 3]  # the order of static batches


def test_it_ends_with_the_last_answer(
    model: Any, endless: list[list[int]], passes: list[tuple[int, ...]]
) -> None:
    assert run(model, [PROMPTS[0]], end_ids=frozenset([endless[0][2]]))[0] == endless[0][:2]
    assert passes == [(1, 3), (1, 1), (1, 1)]


def test_the_model_attends_as_before_afterwards(model: Any) -> None:
    model.set_attn_implementation("eager")
    run(model)
    assert model.config._attn_implementation == "eager"
    model.set_attn_implementation("sdpa")


def test_end_tokens_are_no_part_of_the_answer(model: Any, end_ids: frozenset[int]) -> None:
    assert end_ids.isdisjoint(token for answer in run(model, end_ids=end_ids) for token in answer)


def test_no_prompts_no_answers(model: Any) -> None:
    assert run(model, []) == []


@pytest.mark.parametrize("make", [toy_model, toy_mistral], ids=["in slots", "in batches"])
@pytest.mark.parametrize("shared", [[], [5, 9, 2, 31, 7]], ids=["nothing shared", "shared"])
@pytest.mark.parametrize("ends", [False, True], ids=["endless", "ending"])
def test_progress_is_reported_after_each_pass(
    make: Any, shared: list[int], ends: bool, end_ids: frozenset[int]
) -> None:
    other, passes, told = make(), 0, []
    continuous_batching.ContinuousBatching.supports(other)  # tries it once

    def count(*_: Any) -> None:
        nonlocal passes
        passes += 1

    other.register_forward_hook(count)
    limits = [1, 9, LONGEST, 5, LONGEST, LONGEST, 3, 9, LONGEST, 2, 20]
    answers = run(
        other,
        [shared + prompt for prompt in PROMPTS],
        limits=limits,
        end_ids=end_ids if ends else frozenset(),
        progress=told.append,
    )
    assert len(told) == passes + 1
    assert (told[0].done, told[0].tokens) == (0, 0)
    assert told[-1].done == told[-1].total
    shares = [writing.share for writing in told]
    steps = [later - sooner for sooner, later in pairwise(shares)]
    assert min(steps) > 0, "each pass gets on"
    ended = sum(len(answer) < limit for answer, limit in zip(answers, limits, strict=True))
    assert told[-1].tokens == sum(map(len, answers)) + ended  # an end token is generated too
    if not ends:
        assert max(steps) < 0.1, "no pass is most of the work"


def test_a_step_costs_the_more_the_more_rows_run(model: Any) -> None:
    told: list[GenerationProgress] = []
    run(model, [[1, 2, 3, 4], [5, 6]], limits=[3, 2], progress=told.append)
    assert [writing.done for writing in told] == [0, 8, 8 + STEP_COST + 2, 11 + 2 * STEP_COST]
    assert [writing.total for writing in told] == [11 + 3 * STEP_COST, *[11 + 2 * STEP_COST] * 3]


def test_skipped_tokens_of_ended_answers_are_not_counted_as_work(
    model: Any, endless: list[list[int]]
) -> None:
    told: list[GenerationProgress] = []
    run(model, [PROMPTS[0]], end_ids=frozenset([endless[0][2]]), progress=told.append)
    whole = 3 + LONGEST + (LONGEST - 1) * STEP_COST
    assert [writing.total for writing in told[1:]] == [whole, whole, 3 + 3 + 2 * STEP_COST]


def test_the_progress_line() -> None:
    assert str(GenerationProgress(31, 100, 1240, 5.9)) == "31 % · 1,240 tokens · 210 tokens/s"
    assert str(GenerationProgress(31, 100, 12, 8.0)) == "31 % · 12 tokens · 1.5 tokens/s"
    assert str(GenerationProgress(0, 100, 0, 0.0)) == "0 % · 0 tokens"
    assert str(GenerationProgress(0, 0, 0, 0.0)) == "100 % · 0 tokens"


@pytest.mark.parametrize(
    ("configured", "expected"), [(None, {7}), (5, {5, 7}), ([5, 6], {5, 6, 7}), ([], {7})]
)
def test_end_tokens_of_template_and_model_both_count(configured: Any, expected: set[int]) -> None:
    model = toy_model()
    model.generation_config.eos_token_id = configured
    assert end_token_ids(model, 7) == expected


@pytest.mark.parametrize("make", [toy_model, toy_mistral], ids=["in slots", "in batches"])
def test_each_prompt_may_have_its_own_limit(make: Any) -> None:
    other = make()
    limits = [0, 1, 5, LONGEST, 3, 9, 2, 1, 7, 4, LONGEST]
    whole = run(other)
    assert run(other, limits=limits) == [answer[:limit] for answer, limit in zip(whole, limits, strict=True)]


def test_the_prompt_that_does_not_fit_with_its_own_limit_is_named(model: Any) -> None:
    with pytest.raises(ModelError, match="30 tokens of prompt and 483 new ones are 513 tokens"):
        run(model, limits=[483] * len(PROMPTS))


@pytest.mark.parametrize("name", EVERYWHERE)
def test_the_cache_is_freed_at_once(name: str, model: Any) -> None:
    """Not by the garbage collector, which does not know how large tensors are."""
    settings = DecodingSettings(4, frozenset(), pad_id=0)
    gc.collect()
    gc.disable()
    try:
        before = sum(isinstance(each, torch.Tensor) for each in gc.get_objects())
        BACKENDS[name](model, settings).generate(PROMPTS, LONGEST, None)
        assert sum(isinstance(each, torch.Tensor) for each in gc.get_objects()) == before
    finally:
        gc.enable()
