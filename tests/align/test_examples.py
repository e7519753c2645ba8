"""Alignment rows: loss on refusals only, openings in the prompt, reproducible draws."""

from lookahead_ray.align.examples import (
    RECOVERIES,
    alignment_rows,
    benign_rows,
    harmful_rows,
    opening_rows,
    problem_rows,
)
from lookahead_ray.config.align import AlignConfig, load_align
from lookahead_ray.config.load import content_hash
from lookahead_ray.data.alignment_prompts import REFUSALS, Request, read_requests
from lookahead_ray.evaluate.judges.refusal import load_refusal_classifier
from tests.tiny import make_tokenizer

DEFAULT_ROWS = "a5fcbb73671e7adb17a973b6786f5662e1857360b77df0fd2c187151c2b928d5"
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


def test_without_recoveries_all_other_rows_stay_the_same() -> None:
    rows = harmful_rows(TOKENIZER, REQUESTS, seed=0)
    plain = harmful_rows(TOKENIZER, REQUESTS, seed=0, recoveries=False)
    recovered = [
        row for row in rows if TOKENIZER.decode(row.answer_ids).removesuffix("<|end|>") in RECOVERIES
    ]
    assert plain == [row for row in rows if row not in recovered]
    assert len(plain) == len(REQUESTS) == len(rows) - len(recovered)


def test_each_epoch_is_a_draw_of_all_kinds_of_rows_in_order() -> None:
    benign = [Request("general", "Say hello"), Request("general", "Say bye")]
    answers = [[5, 6], [7, 8, 9]]
    config = load_align(["training.epochs=2", "openings=10", "word_problems=3", "seed=4"])
    expected = []
    for seed in (4000, 4001):
        expected += harmful_rows(TOKENIZER, REQUESTS, seed)
        expected += benign_rows(TOKENIZER, benign, answers, 24, seed)
        expected += opening_rows(TOKENIZER, REQUESTS, benign, answers, 10, seed)
        expected += problem_rows(TOKENIZER, 3, 512, seed)
    assert alignment_rows(TOKENIZER, config, REQUESTS, benign, answers) == expected


def test_the_default_rows_are_those_of_the_shipped_adapter() -> None:
    """The hash is of the rows that were made before other models could be aligned."""
    harmful, benign = read_requests("harmful"), read_requests("benign")
    answers = [list(TOKENIZER.encode(request.prompt))[:24] for request in benign]
    rows = alignment_rows(TOKENIZER, AlignConfig(), harmful, benign, answers)
    assert content_hash([[*row.prompt_ids, *row.answer_ids] for row in rows]) == DEFAULT_ROWS


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
