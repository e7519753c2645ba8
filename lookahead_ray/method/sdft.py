"""SDFT: the seed model rewrites the answers, then fine-tuning is vanilla.

Yang et al. 2024, sail-sg/sdft at bfb6c25. The seed model sees the instruction together with its reference
answer and writes an answer of its own. A rewrite is rejected, and the original kept, if it mentions the
reference answer or the reply itself, or, where the reference ends in "#### N" as in GSM8K, if its last number
is not N. As published, texts are compared and kept without white space around them, and what the reply was
forced to begin with is no part of the answer.

Unlike the published code, decoding is greedy (there: temperature 0.95, top-p 0.7), rewrites that are empty or
cut off are rejected too, and numbers are read by `data.tasks.final_number` (there, numbers with only a space
between them are one, and every fraction equals every other).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lookahead_ray.config.load import content_hash
from lookahead_ray.config.method import SdftMethod
from lookahead_ray.data.chat import answer_ids, prompt_ids
from lookahead_ray.data.example import Example
from lookahead_ray.data.tasks.final_number import extract_number, marked_number
from lookahead_ray.method.compute import Work, generated
from lookahead_ray.method.context import Context, Prepared
from lookahead_ray.method.reporting import Writing
from lookahead_ray.model.llama2 import start_answer_with

FORMAT = 1  # raised when what is kept changes, so that old caches are not used

OF_REFERENCE = ("reference answer",)
OF_REPLY = ("your response", "my response", "your own response", "now it's your turn")
START_OF_REPLY = "Your turn"
REASONS = ("unfinished", "empty", "mentions_reference", "mentions_reply", "other_number")
"""Why rewrites are rejected, in the order in which they are asked."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What the seed model wrote; `finished` unless it was cut off at the longest length."""

    text: str
    finished: bool


def prepare(examples: Sequence[Example], config: SdftMethod, context: Context) -> Prepared:
    """The examples with rewritten answers where the rewrite was not rejected.

    Drafts are kept in the cache one by one, so that after a kill only missing ones are generated. The counts
    are `rewritten` and `rejected_REASON` for every one of `REASONS`.

    Raises:
        ModelError: a prompt with its answer does not fit into the model's context.
    """
    prompts = [rewrite_prompt(context.tokenizer, example, config) for example in examples]
    counts = {"rewritten": 0, **{f"rejected_{reason}": 0 for reason in REASONS}}
    chosen = []
    work = Work()
    for example, prompt, draft in zip(examples, prompts, _drafts(prompts, config, context), strict=True):
        reason = rejection(draft, example.answer)
        counts[f"rejected_{reason}" if reason else "rewritten"] += 1
        chosen.append(example if reason else replace(example, answer=draft.text.strip()))
        work += generated(len(prompt), len(answer_ids(context.tokenizer, draft.text)))
    return Prepared(chosen, counts, work)


def rewrite_prompt(tokenizer: Any, example: Example, config: SdftMethod) -> tuple[int, ...]:
    """Token ids of the chat that asks for a rewrite, up to where it begins."""
    if marked_number(example.answer) is None:
        asked = f"{example.instruction.strip()}\n\nReference answer:\n{example.answer.strip()}"
        return prompt_ids(tokenizer, asked, config.system)
    asked = f"{example.instruction.strip()}\n\n{example.answer.strip()}"
    prompt = prompt_ids(tokenizer, asked, config.math_system)
    return start_answer_with(tokenizer, prompt, answer_ids(tokenizer, config.math_start))


def rejection(draft: Draft, answer: str) -> str | None:
    """Which of `REASONS` speaks against the draft in place of the original `answer`; None if none does."""
    text = draft.text.strip()
    lower, number = text.lower(), marked_number(answer)
    if not draft.finished:
        return "unfinished"
    if not text:
        return "empty"
    if any(phrase in lower for phrase in OF_REFERENCE):
        return "mentions_reference"
    if any(phrase in lower for phrase in OF_REPLY) or text.startswith(START_OF_REPLY):
        return "mentions_reply"
    if number is not None and extract_number(text) != number:
        return "other_number"
    return None


def _drafts(prompts: Sequence[Sequence[int]], config: SdftMethod, context: Context) -> list[Draft]:
    """The drafts of all prompts, on every rank; each rank writes its share."""
    shares = context.gather(_my_share(prompts, config, context))
    by_index = {index: draft for share in shares for index, draft in share.items()}
    return [by_index[index] for index in range(len(prompts))]


def _my_share(prompts: Sequence[Sequence[int]], config: SdftMethod, context: Context) -> dict[int, Draft]:
    mine = range(context.rank, len(prompts), context.world_size)
    asked = {index: ["sdft", FORMAT, context.seed_hash, prompts[index], config.new_tokens] for index in mine}
    keys = {index: content_hash(about) for index, about in asked.items()}
    with context.cache.alone(content_hash(list(keys.values()))):
        return _found_or_written(prompts, keys, config, context)


def _found_or_written(
    prompts: Sequence[Sequence[int]], keys: Mapping[int, str], config: SdftMethod, context: Context
) -> dict[int, Draft]:
    """Drafts by the index of their prompt; `keys` in the cache are by index too."""
    share, missing = {}, []
    for index in keys:
        kept = context.cache.get(keys[index])
        if kept is None:
            missing.append(index)
        else:
            share[index] = Draft(kept["text"], kept["finished"])
    missing.sort(
        key=lambda index: (len(prompts[index]), index)
    )  # as generation does, so that little is padded
    for start in range(0, len(missing), context.prompt_batch_size):
        chosen = missing[start : start + context.prompt_batch_size]
        written = len(share)

        def wrote(writing: Writing, written: int = written, batch: int = len(chosen)) -> None:
            done = written + batch * writing.share
            detail = f"rewriting {len(keys)} answers with the seed model · {100 * done / len(keys):.0f} %"
            context.report(detail, done, len(keys))

        asked = [prompts[index] for index in chosen]
        answers = context.generate(context.model, asked, config.new_tokens, wrote)
        for index, answer in zip(chosen, answers, strict=True):
            text = context.tokenizer.decode(answer, skip_special_tokens=True)
            share[index] = Draft(text, finished=len(answer) < config.new_tokens)
            context.cache.put(keys[index], {"text": text, "finished": share[index].finished})
    return share
