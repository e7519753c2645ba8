"""Greedy generation for many prompts at once."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from lookahead_ray.evaluate.generation.continuous_batching import in_slots
from lookahead_ray.evaluate.generation.static_batching import in_batches
from lookahead_ray.method.reporting import Writing
from lookahead_ray.model.load import check_length, sees_positions_alone


def end_token_ids(model: Any, end_token_id: int) -> frozenset[int]:
    """Return the template's end token and all end tokens in the model's generation configuration."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    listed = configured if isinstance(configured, list) else [configured]
    return frozenset([end_token_id, *(token for token in listed if token is not None)])


@torch.inference_mode()
def generate(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int | Sequence[int],
    batch_size: int,
    end_ids: frozenset[int],
    pad_id: int,
    progress: Callable[[Writing], None] | None = None,
) -> list[list[int]]:
    """Return greedy continuations as token ids, without the end token, in the order of `prompts`.

    If the model's attention allows it, the prompts' common prefix is computed once, and a finished row makes
    room for the next prompt; other models answer batch by batch.

    Args:
        max_new_tokens: limit of each answer, its end token included; one number sets the same for all.
        batch_size: maximum rows that run at once.
        progress: called after each forward pass; it must return at once.

    Raises:
        ModelError: a prompt and its answer together may be longer than the model's context.
    """
    limits = [max_new_tokens] * len(prompts) if isinstance(max_new_tokens, int) else list(max_new_tokens)
    for prompt, limit in zip(prompts, limits, strict=True):
        check_length(model, len(prompt) + limit, f"{len(prompt)} tokens of prompt and {limit} new ones are")
    answers: list[list[int]] = [[] for _ in prompts]
    asked = [index for index, limit in enumerate(limits) if limit]
    order = sorted(asked, key=lambda index: len(prompts[index]))
    run = in_slots if sees_positions_alone(model) else in_batches
    ended = run(
        model,
        [prompts[index] for index in order],
        [limits[index] for index in order],
        batch_size,
        end_ids,
        pad_id,
        progress,
    )
    for place, answer in ended:
        answers[order[place]] = answer
    return answers
