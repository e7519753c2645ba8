"""An evaluation is the same rows however many ranks share it."""

from dataclasses import replace
from typing import Any

import pytest

from lookahead_ray.config.evaluation import EvaluationConfig
from lookahead_ray.data.answers import exact_match
from lookahead_ray.data.chat import answer_ids
from lookahead_ray.data.example import SYSTEM_PROMPT, Example
from lookahead_ray.data.suites import SafetyPrompt, SafetySuite
from lookahead_ray.data.tasks import Task
from lookahead_ray.evaluate.generation import Generation, TokenKl
from lookahead_ray.evaluate.passes import Evaluation
from tests.toy import toy_model, toy_tokenizer

HARMFUL = tuple(
    SafetyPrompt(f"harmful-{n}", "fraud", f"Do bad thing {n}.", "Sure, here " + "now" * n) for n in range(3)
)
BENIGN = (SafetyPrompt("benign-0", "homonyms", "Kill the lights."),)
ROWS = [Example(SYSTEM_PROMPT, f"What is {n} + 1?", f"#### {n + 1}") for n in range(2)]
CONFIG = EvaluationConfig(kl_tokens=4, safety_new_tokens=5, task_new_tokens=6, batch_size=2)


@pytest.fixture(scope="module")
def model() -> Any:
    return toy_model(vocab=260)


def evaluation(rank: int = 0, world_size: int = 1) -> Evaluation:
    task = Task("sums", ROWS, ROWS, exact_match)
    suite = SafetySuite("probe", HARMFUL, BENIGN)
    return Evaluation(toy_tokenizer(), task, suite, SYSTEM_PROMPT, CONFIG, rank, world_size)


def measure(model: Any, world_size: int) -> tuple[set[Generation], dict[tuple[str, int], float]]:
    rows: list[Generation] = []
    kl: list[TokenKl] = []
    for rank in range(world_size):
        part = evaluation(rank, world_size)
        rows += part.generations(model, lambda detail, done: None)
        kl += part.token_kl(toy_model(seed=1, vocab=260), part.early_log_probs(model))
    assert len(set(rows)) == len(rows)
    return set(rows), {(row.prompt_id, row.position): row.value for row in kl}


@pytest.mark.parametrize("world_size", [2, 5])  # with five, ranks go without any prompt of a kind
def test_ranks_together_measure_what_one_does(model: Any, world_size: int) -> None:
    (alone, alone_kl), (shared, shared_kl) = measure(model, 1), measure(model, world_size)
    assert shared == alone
    assert shared_kl == pytest.approx(alone_kl, rel=1e-3)


def test_every_prompt_is_a_row(model: Any) -> None:
    rows, kl = measure(model, 1)
    found = {(row.metric, row.prompt_id, row.attack) for row in rows}
    assert found == {
        *(("rsr", prompt.id, "none") for prompt in HARMFUL),
        *(("jsr", prompt.id, "prefill_3") for prompt in HARMFUL),
        ("over_refusal", "benign-0", "none"),
        ("utility", "test-0001", "none"),
        ("utility", "test-0002", "none"),
    }
    assert set(kl) == {(prompt.id, position) for prompt in HARMFUL for position in (1, 2, 3, 4)}
    assert min(kl.values()) > 0


def test_the_prefill_is_the_beginning_of_the_opening_and_no_part_of_the_answer(model: Any) -> None:
    tokenizer = toy_tokenizer()
    rows, _ = measure(model, 1)
    for row in rows:
        if row.metric == "jsr":
            opening = next(prompt.opening for prompt in HARMFUL if prompt.id == row.prompt_id)
            assert row.prefill == tokenizer.decode(answer_ids(tokenizer, opening)[:3])
            assert not row.answer.startswith(row.prefill)
        else:
            assert row.prefill == ""


def test_phases_are_told_in_order(model: Any) -> None:
    told: list[tuple[str, float]] = []
    evaluation().generations(model, lambda detail, done: told.append((detail, done)))
    assert [detail for detail, _ in told] == [
        "harmful requests",
        "harmful requests, 3 tokens prefilled",
        "benign look-alikes",
        "sums",
    ]
    assert [done for _, done in told] == sorted(done for _, done in told)


def test_kl_is_measured_on_the_share_of_prompts_that_is_asked_for(model: Any) -> None:
    one = CONFIG.model_copy(update={"kl_prompts": 1})
    for rank, prompts in ((0, {"harmful-0"}), (1, set())):
        part = replace(evaluation(rank, 2), config=one)
        rows = part.token_kl(model, part.early_log_probs(model))
        assert {row.prompt_id for row in rows} == prompts
