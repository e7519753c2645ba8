"""Greedy generation in batches equals Transformers' own, prompt by prompt."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from transformers import GenerationConfig

from lookahead_ray.evaluate.generate import end_token_ids, generate
from tests.toy import VOCAB, toy_model

RNG = random.Random(5)
PROMPTS = [
    [RNG.randrange(1, VOCAB) for _ in range(length)] for length in (3, 17, 1, 9, 30, 3, 12, 5, 21, 8, 2)
]
LONGEST = 24


@pytest.fixture(scope="module")
def model() -> Any:
    return toy_model(seed=2)


@pytest.fixture
def batch_sizes(model: Any) -> Iterator[list[int]]:
    """Rows of each forward pass."""
    seen: list[int] = []
    hook = model.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    yield seen
    hook.remove()


def reference(model: Any, prompt: list[int], end_ids: frozenset[int]) -> list[int]:
    ids = torch.tensor([prompt])
    config = GenerationConfig(
        do_sample=False, max_new_tokens=LONGEST, eos_token_id=sorted(end_ids) or None, pad_token_id=0
    )
    output = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)
    answer = output[0, len(prompt) :].tolist()
    return answer[:-1] if answer[-1] in end_ids else answer


def run(model: Any, prompts: Any = PROMPTS, batch_size: int = 4, **other: Any) -> list[list[int]]:
    arguments = {"max_new_tokens": LONGEST, "end_ids": frozenset(), "pad_id": 0, **other}
    return generate(model, prompts, batch_size=batch_size, **arguments)


@pytest.fixture(scope="module")
def endless(model: Any) -> list[list[int]]:
    return [reference(model, prompt, frozenset()) for prompt in PROMPTS]


@pytest.fixture(scope="module")
def end_ids(endless: list[list[int]]) -> frozenset[int]:
    """Two tokens with which answers end at different times: at once, early, late, never."""
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


def test_rows_that_have_ended_leave_the_batch(
    model: Any, end_ids: frozenset[int], batch_sizes: list[int]
) -> None:
    answers = run(model, batch_size=64, end_ids=end_ids)
    assert batch_sizes[0] == len(PROMPTS)
    assert batch_sizes == sorted(batch_sizes, reverse=True)
    assert len(set(batch_sizes)) >= 2
    steps = [len(answer) + 1 for answer in answers]
    assert sum(batch_sizes) < len(PROMPTS) * max(steps)


def test_a_batch_ends_with_its_last_answer(
    model: Any, endless: list[list[int]], batch_sizes: list[int]
) -> None:
    assert run(model, [PROMPTS[0]], end_ids=frozenset([endless[0][2]]))[0] == endless[0][:2]
    assert batch_sizes == [1, 1, 1]


def test_end_tokens_are_no_part_of_the_answer(model: Any, end_ids: frozenset[int]) -> None:
    assert end_ids.isdisjoint(token for answer in run(model, end_ids=end_ids) for token in answer)


def test_no_prompts_no_answers(model: Any) -> None:
    assert run(model, []) == []


def test_progress_counts_prompts(model: Any) -> None:
    done: list[int] = []
    run(model, batch_size=4, max_new_tokens=1, progress=done.append)
    assert done == [4, 8, 11]


@pytest.mark.parametrize(
    ("configured", "expected"), [(None, {7}), (5, {5, 7}), ([5, 6], {5, 6, 7}), ([], {7})]
)
def test_end_tokens_of_template_and_model_both_count(configured: Any, expected: set[int]) -> None:
    model = toy_model()
    model.generation_config.eos_token_id = configured
    assert end_token_ids(model, 7) == expected
