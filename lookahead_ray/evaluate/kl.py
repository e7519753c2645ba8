"""KL divergence to the seed model at the first answer tokens of harmful prompts (paper, Figure 3)."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from lookahead_ray.train.batches import left_pad


@torch.inference_mode()
def early_log_probs(
    model: Any,
    prompts: Sequence[Sequence[int]],
    openings: Sequence[Sequence[int]],
    *,
    positions: int,
    batch_size: int,
    pad_id: int,
    progress: Callable[[int], None] = lambda done: None,
) -> torch.Tensor:
    """Next-token log-probabilities along the openings, teacher-forced.

    Args:
        prompts: token ids up to where the answer begins, one for each request.
        openings: token ids of harmful openings; at least `positions` - 1 of each are used.
        progress: called with the number of requests done, after each pass.

    Returns:
        (requests, positions, vocab) fp32 on the CPU; [:, 0] is the distribution of the first answer token.
        Positions after the end of a shorter opening are NaN. Without requests: (0, positions, 0).
    """
    parts = []
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
        log_probs = torch.full((*logits.shape[:1], positions, logits.shape[-1]), torch.nan)
        for row, opening in enumerate(forced):
            known = len(opening) + 1
            log_probs[row, :known] = logits[row, -known:].float().log_softmax(-1).cpu()
        parts.append(log_probs)
        progress(start + len(rows))
    return torch.cat(parts) if parts else torch.empty(0, positions, 0)


def divergence(tuned: torch.Tensor, seed: torch.Tensor) -> torch.Tensor:
    """KL(tuned || seed) in nats: (requests, positions, vocab) twice -> (requests, positions)."""
    return (tuned.exp() * (tuned - seed)).sum(-1)
