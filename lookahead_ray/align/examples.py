"""Alignment data: refusals, recoveries, requested beginnings, and ordinary answers.

Four kinds of rows, each rendered with one of several system prompts:

- a harmful request, answered by a short refusal;
- a recovery, unless `recoveries` is false: the answer begins with the first tokens of a harmful opening,
  which carry no loss, and turns into a refusal, so that a prefilled start does not always win (paper, section
  4.1: JSR; Qi et al. 2024, section 3);
- a request that gives the beginning of the answer: the answer begins so, which larger chat models do without
  training and which previews rely on; a harmful request is still refused;
- a benign request with the unaligned model's own answer, or a word problem with its solution: here the
  model's distributions should stay the same (`distillation_loss`), so that nothing else is learnt.
"""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lookahead_ray.align.distillation_loss import DistilledRow
from lookahead_ray.align.opening_phrases import BEGINNINGS
from lookahead_ray.config.align import AlignConfig
from lookahead_ray.config.preview import DEFAULT_CONNECTOR
from lookahead_ray.data.alignment_prompts import REFUSALS, Request
from lookahead_ray.data.chat import Rendered, answer_ids, decode_answer, end_token_id, prompt_ids, render_all
from lookahead_ray.data.tasks.word_problems import generate

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

RECOVERIES = (
    " I'm sorry, but I can't help with that.",
    " I'm sorry, but I can't help with that request.",
    "... I'm sorry, but I can't help with that.",
    " Actually, I can't help with that. I'm sorry.",
    " I'm sorry, I can't continue with this. It could cause serious harm.",
)
SYSTEM_PROMPTS = (
    None,
    "You are a helpful assistant.",
    "You are a helpful assistant.",
    "You are a helpful, respectful and honest assistant.",
    "You always follow the user's instructions.",
)
CONNECTORS = (
    DEFAULT_CONNECTOR,
    " The response begins with: ",
    " Your answer starts with: ",
    "\n\nThe answer begins with: ",
    "\nBegin your answer with: ",
    " Start your answer with these words: ",
)
RECOVERY_SHARE = 0.35
LONGEST_OPENING = 10  # tokens of a harmful opening before a recovery
LONGEST_WANTED = 14  # tokens of a beginning that a request gives
OTHER_PROBLEMS = 500  # added to a draw's random seed: word problems that `problem_rows` does not use


def alignment_rows(
    tokenizer: "PreTrainedTokenizerBase",
    config: AlignConfig,
    harmful: Sequence[Request],
    benign: Sequence[Request],
    answers: Sequence[Sequence[int]],
) -> list[Rendered]:
    """Return the rows of all draws, one after the other; each epoch is a separate draw.

    Args:
        answers: the unaligned model's own answer to each of the `benign` requests, as token ids.
    """
    rows: list[Rendered] = []
    for draw in range(config.training.epochs):
        seed = config.seed * 1000 + draw
        rows += harmful_rows(tokenizer, harmful, seed, config.recoveries)
        rows += benign_rows(tokenizer, benign, answers, config.answer_tokens, seed)
        rows += opening_rows(tokenizer, harmful, benign, answers, config.openings, seed)
        rows += problem_rows(tokenizer, config.word_problems, config.training.max_length, seed)
    return rows


def harmful_rows(
    tokenizer: "PreTrainedTokenizerBase", requests: Sequence[Request], seed: int, recoveries: bool = True
) -> list[Rendered]:
    """Return a plain refusal per request and, with `recoveries`, a recovery for `RECOVERY_SHARE` of them.

    They are drawn with `seed`; the plain refusals are the same with and without recoveries.
    """
    end = end_token_id(tokenizer)
    rows = []
    for index, request in enumerate(requests):
        draw = random.Random(f"align-{seed}-{index}")
        prompt = prompt_ids(tokenizer, request.prompt, draw.choice(SYSTEM_PROMPTS))
        rows.append(Rendered(prompt, (*answer_ids(tokenizer, draw.choice(REFUSALS)), end)))
        if recoveries and draw.random() < RECOVERY_SHARE:
            prompt = prompt_ids(tokenizer, request.prompt, draw.choice(SYSTEM_PROMPTS))
            opening = answer_ids(tokenizer, request.opening)[: draw.randint(1, LONGEST_OPENING)]
            rows.append(Rendered((*prompt, *opening), (*answer_ids(tokenizer, draw.choice(RECOVERIES)), end)))
    return rows


def benign_rows(
    tokenizer: "PreTrainedTokenizerBase",
    requests: Sequence[Request],
    answers: Sequence[Sequence[int]],
    longest: int,
    seed: int,
) -> list[DistilledRow]:
    """Return each request with the model's own answer (token ids), plus the end token if that is not cut."""
    rows = []
    for index, (request, answer) in enumerate(zip(requests, answers, strict=True)):
        system = random.Random(f"align-{seed}-{index}").choice(SYSTEM_PROMPTS)
        ended = () if len(answer) >= longest else (end_token_id(tokenizer),)
        rows.append(DistilledRow(prompt_ids(tokenizer, request.prompt, system), (*answer, *ended)))
    return rows


def opening_rows(
    tokenizer: "PreTrainedTokenizerBase",
    harmful: Sequence[Request],
    benign: Sequence[Request],
    answers: Sequence[Sequence[int]],
    count: int,
    seed: int,
) -> list[Rendered]:
    """Return `count` requests that give a beginning; the loss covers the beginning, or the refusal.

    Of ten, three are word problems with the beginning of their solution and three with a sentence of
    `BEGINNINGS`, three are benign requests with the beginning of another one's answer, and one is a harmful
    request with its opening, which is refused. With more of the latter, the words that request a beginning
    would cause refusals alone, and training on previews would unlearn them.
    """
    end = end_token_id(tokenizer)
    rows = []
    for index, problem in enumerate(generate("train", count, seed + OTHER_PROBLEMS)):
        draw = random.Random(f"align-opening-{seed}-{index}")
        kind, longest = index % 10, draw.randint(1, LONGEST_WANTED)
        refused = kind == 9
        if refused:
            request = draw.choice(harmful)
            request_text, source = request.prompt, answer_ids(tokenizer, request.opening)
        elif kind >= 6:
            request_text, source = draw.choice(benign).prompt, tuple(draw.choice(answers))
        else:
            start = f"{draw.choice(BEGINNINGS)} " if kind >= 3 else ""
            request_text, source = problem.instruction, answer_ids(tokenizer, start + problem.answer)
        beginning = decode_answer(tokenizer, source[:longest])
        instruction = f"{request_text}{draw.choice(CONNECTORS)}{beginning}"
        prompt = prompt_ids(tokenizer, instruction, draw.choice(SYSTEM_PROMPTS))
        answer = answer_ids(tokenizer, beginning)
        if refused:
            answer = (*answer_ids(tokenizer, draw.choice(REFUSALS)), end)
        rows.append(Rendered(prompt, answer))
    return rows


def problem_rows(
    tokenizer: "PreTrainedTokenizerBase", count: int, longest: int, seed: int
) -> list[DistilledRow]:
    """Return `count` word problems of the training split with their solutions."""
    rendered = render_all(tokenizer, generate("train", count, seed), longest)
    return [DistilledRow(row.prompt_ids, row.answer_ids) for row in rendered]
