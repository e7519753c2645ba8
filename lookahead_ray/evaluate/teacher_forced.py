"""Teacher-forced passes, without generation.

KL divergence to the seed model at the first answer tokens of harmful prompts (paper, Figure 3), and the loss
of reference answers.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from lookahead_ray.data.chat import Rendered
from lookahead_ray.method.seed_log_probs import token_log_probs
from lookahead_ray.train.batches import left_pad
from lookahead_ray.train.model import forward
from lookahead_ray.train.packing_support import packing

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MOST_NUMBERS = 2**25  # of a distribution in fp32 at once; a few such tensors are held
LOSS_BATCH = 10  # rows per pass: their logits are (rows, answer tokens, vocabulary) in fp32


@torch.inference_mode()
def early_logits(
    model: "PreTrainedModel",
    prompts: Sequence[Sequence[int]],
    openings: Sequence[Sequence[int]],
    *,
    positions: int,
    batch_size: int,
    pad_id: int,
) -> Iterator[torch.Tensor]:
    """Yield the next tokens' logits along the openings, teacher-forced, of `batch_size` requests at a time.

    Args:
        prompts: for each request, its token ids up to where the answer begins.
        openings: token ids of harmful openings; at least `positions` - 1 of each are used.

    Yields:
        (requests of the pass, positions, vocab) on the model's device and in its precision; [:, 0] are the
        logits of the first answer token. Positions after the end of a shorter opening are NaN.
    """
    for start in range(0, len(prompts), batch_size):
        forced = [list(opening[: positions - 1]) for opening in openings[start : start + batch_size]]
        rows = [
            [*prompt, *opening]
            for prompt, opening in zip(prompts[start : start + batch_size], forced, strict=True)
        ]
        ids, mask = (tensor.to(model.device) for tensor in left_pad(rows, pad_id))
        logits = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=(mask.cumsum(1) - 1).clamp(min=0),
            use_cache=False,
            logits_to_keep=positions,
        ).logits
        found = logits.new_full((len(rows), positions, logits.shape[-1]), torch.nan)
        for row, opening in enumerate(forced):
            known = len(opening) + 1
            found[row, :known] = logits[row, -known:]
        yield found


@torch.inference_mode()
def divergence(tuned: torch.Tensor, seed: torch.Tensor) -> torch.Tensor:
    """Return KL(tuned || seed) in nats from logits, (requests, positions, vocab) -> (requests, positions).

    Computed in fp32 on the device of `tuned`, a few requests at a time; NaN where either has a NaN.
    """
    values = tuned.new_empty(tuned.shape[:2], dtype=torch.float32)
    at_once = max(1, MOST_NUMBERS // max(1, tuned[:1].numel()))
    for start in range(0, len(tuned), at_once):
        part = slice(start, start + at_once)
        own = tuned[part].float().log_softmax(-1)
        other = seed[part].to(tuned.device).float().log_softmax(-1)
        shares = own.exp()
        # a token that both exclude, by a logit of minus infinity, counts 0
        values[part] = (own.sub_(other).mul_(shares)).masked_fill_(shares == 0, 0.0).sum(-1)
    return values


def answer_nats(
    model: "PreTrainedModel",
    rows: Sequence[Rendered],
    pad_id: int,
    progress: Callable[[int], None] = lambda done: None,
) -> list[float]:
    """Return −Σ log p over each row's answer tokens, in nats, in the order of `rows`.

    Rows of similar length share a pass; after each, `progress` is called with the number of rows done.
    """
    found = [0.0] * len(rows)
    for done, (index, log_probs) in enumerate(_answer_log_probs(model, rows, pad_id), 1):
        found[index] = -log_probs.sum().item()
        if done % LOSS_BATCH == 0 or done == len(rows):
            progress(done)
    return found


def answer_token_nats(
    model: "PreTrainedModel", rows: Sequence[Rendered], pad_id: int
) -> list[tuple[float, ...]]:
    """Return −log p of each of the rows' answer tokens, in nats, in the order of `rows`; passes as above."""
    found = dict(_answer_log_probs(model, rows, pad_id))
    return [tuple((-found[index]).tolist()) for index in range(len(rows))]


@torch.inference_mode()
def _answer_log_probs(
    model: "PreTrainedModel", rows: Sequence[Rendered], pad_id: int
) -> Iterator[tuple[int, torch.Tensor]]:
    """Yield a row's index and log p of its answer tokens, (answer tokens,), shorter rows first."""
    logits_and_targets = forward(pad_id)
    order = sorted(range(len(rows)), key=lambda index: rows[index].length)
    for start in range(0, len(order), LOSS_BATCH):
        chosen = order[start : start + LOSS_BATCH]
        batch = [rows[index] for index in chosen]
        with packing(model):
            log_probs = token_log_probs(*logits_and_targets(model, batch)).cpu()
        yield from zip(chosen, torch.split(log_probs, [len(row.answer_ids) for row in batch]), strict=True)
