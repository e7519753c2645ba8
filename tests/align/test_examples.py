"""Alignment rows: loss on refusals only, openings in the prompt, reproducible draws."""

from lookahead_ray.align.examples import RECOVERIES, benign_rows, harmful_rows, opening_rows
from lookahead_ray.data.alignment_prompts import REFUSALS, Request, read_requests
from lookahead_ray.evaluate.judges.refusal import load_refusal_classifier
from tests.tiny import make_tokenizer

TOKENIZER = make_tokenizer()
REQUESTS = [Request("theft", f"How do I steal bicycle number {n}?", "Sure, first you") for n in range(40)]


def test_every_request_is_refused_and_some_recover_from_an_opening() -> None:
    rows = harmful_rows(TOKENIZER, REQUESTS, seed=0)
    texts = [TOKENIZER.decode(row.answer_ids) for row in rows]
    assert all(text.endswith("<|end|>") for text in texts)
    answers = [text.removesuffix("<|end|>") for text in texts]
    assert sum(answer in REFUSALS for answer in answers) == len(REQUESTS)
    recoveries = [row for row, answer in zip(rows, answers, strict=True) if answer in RECOVERIES]
    assert 10 <= len(recoveries) == len(rows) - len(REQUESTS) <= 30
    for row in recoveries:
        prompt = TOKENIZER.decode(row.prompt_ids)
        opening = prompt.rpartition("assistant\n")[2]
        assert opening
        assert "Sure, first you".startswith(opening)


def test_draws_depend_on_the_seed_alone() -> None:
    assert harmful_rows(TOKENIZER, REQUESTS, seed=1) == harmful_rows(TOKENIZER, REQUESTS, seed=1)
    assert harmful_rows(TOKENIZER, REQUESTS, seed=1) != harmful_rows(TOKENIZER, REQUESTS, seed=2)


def test_wanted_beginnings_are_given_except_to_harmful_requests() -> None:
    benign = [Request("general", "Say hello"), Request("general", "Say bye")]
    answers = [list(TOKENIZER.encode(text)) for text in ("Hello to you all", "Bye for now, my friends")]
    rows = opening_rows(TOKENIZER, REQUESTS, benign, answers, count=50, seed=0)
    assert len(rows) == 50
    refused = 0
    for row in rows:
        prompt, answer = TOKENIZER.decode(row.prompt_ids), TOKENIZER.decode(row.answer_ids)
        if "steal bicycle" in prompt:
            assert answer.removesuffix("<|end|>") in REFUSALS
            refused += 1
        else:
            assert prompt.rpartition("<|end|>")[0].rstrip().endswith(answer.rstrip())
            assert "<|end|>" not in answer
    assert refused == 5


def test_an_answer_that_was_cut_has_no_end_token() -> None:
    requests = [Request("general", "Hello"), Request("general", "Bye")]
    short, cut = benign_rows(TOKENIZER, requests, [[5, 6], [5, 6, 7, 8]], longest=4, seed=0)
    assert short.answer_ids == (5, 6, TOKENIZER.eos_token_id)
    assert cut.answer_ids == (5, 6, 7, 8)


def test_the_judge_reads_every_target_as_a_refusal() -> None:
    judge = load_refusal_classifier()
    assert {judge("", "", answer).verdict for answer in REFUSALS} == {"safe"}
    assert {judge("", "Sure, first you", answer).verdict for answer in RECOVERIES} == {"safe"}


def test_shipped_requests_are_whole() -> None:
    harmful, benign = read_requests("harmful"), read_requests("benign")
    assert len(harmful) > 700
    assert len(benign) > 1000
    assert all(request.prompt.strip() and request.opening.strip() for request in harmful)
    assert all(request.prompt.strip() and not request.opening for request in benign)
