"""Greedy generation for many prompts at once."""

from collections.abc import Callable, Iterator, Sequence
from os.path import commonprefix
from typing import Any

import torch

from lookahead_ray.evaluate.kv_cache import roomy_cache
from lookahead_ray.model.load import check_length
from lookahead_ray.train.batches import left_pad

COMPACT_BELOW = 0.8  # rows still running, as a share of those computed, below which finished ones are dropped


def end_token_ids(model: Any, end_token_id: int) -> frozenset[int]:
    """The template's end token together with all that the model's generation configuration names."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    listed = configured if isinstance(configured, list) else [configured]
    return frozenset([end_token_id, *(token for token in listed if token is not None)])


@torch.inference_mode()
def generate(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    max_new_tokens: int,
    batch_size: int,
    end_ids: frozenset[int],
    pad_id: int,
    progress: Callable[[int], None] | None = None,
) -> list[list[int]]:
    """Greedy continuations as token ids, without the end token, in the order of `prompts`.

    Prompts are sorted by length; what all of a batch begin with is computed once, the rest is padded on the
    left; rows that have ended leave the batch. `progress` is told the number of prompts done.

    Raises:
        ModelError: the longest prompt and `max_new_tokens` together are longer than the model's context.
    """
    longest = max(map(len, prompts), default=0)
    check_length(
        model, longest + max_new_tokens, f"{longest} tokens of prompt and {max_new_tokens} new ones are"
    )
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    answers: list[list[int]] = [[] for _ in prompts]
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        for row, token in _greedy(
            model, [prompts[index] for index in chosen], max_new_tokens, end_ids, pad_id
        ):
            answers[chosen[row]].append(token)
        if progress:
            progress(start + len(chosen))
    return answers


def _greedy(
    model: Any, prompts: Sequence[Sequence[int]], max_new_tokens: int, end_ids: frozenset[int], pad_id: int
) -> Iterator[tuple[int, int]]:
    """(row, token) pairs, a row's own in order."""
    device = model.device
    rows = list(range(len(prompts)))  # prompt of each row still computed
    running = [True] * len(rows)
    cache = roomy_cache()
    shared = _shared_prefix(prompts) if _sees_positions_alone(model) else 0
    if shared:
        prefix = torch.tensor([prompts[0][:shared]], device=device)
        model(input_ids=prefix, past_key_values=cache, use_cache=True, logits_to_keep=1)
        cache.batch_repeat_interleave(len(prompts))
    inputs, mask = (tensor.to(device) for tensor in left_pad([row[shared:] for row in prompts], pad_id))
    positions = (mask.cumsum(1) - 1).clamp(min=0) + shared
    mask = torch.cat([mask.new_ones(len(mask), shared), mask], dim=1)
    for _ in range(max_new_tokens):
        logits = model(
            input_ids=inputs,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        tokens = logits.argmax(-1)
        for index, token in enumerate(tokens.tolist()):
            running[index] = running[index] and token not in end_ids
            if running[index]:
                yield rows[index], token
        if not any(running):
            return
        if sum(running) < COMPACT_BELOW * len(running):
            kept = [index for index, runs in enumerate(running) if runs]
            selection = torch.tensor(kept, device=device)
            cache.batch_select_indices(selection)
            tokens, mask, positions = tokens[selection], mask[selection], positions[selection]
            rows, running = [rows[index] for index in kept], [True] * len(kept)
        inputs = tokens[:, None]
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        positions = positions[:, -1:] + 1


def _sees_positions_alone(model: Any) -> bool:
    """Whether masked places between two tokens change nothing: not so where windows or biases count them."""
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    windowed = kinds != {"full_attention"} or getattr(config, "sliding_window", None)
    return not windowed and hasattr(config, "rope_parameters")


def _shared_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """Tokens that all prompts begin with, at least one of each left out; 0 for a single prompt."""
    if len(prompts) < 2:
        return 0
    begun = commonprefix([tuple(prompt) for prompt in prompts])  # noqa: RUF071  # of tokens, not of paths
    return min(len(begun), min(map(len, prompts)) - 1)
