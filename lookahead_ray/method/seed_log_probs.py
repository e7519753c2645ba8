"""log p_0: the seed model's log-probabilities of the training rows' answer tokens, computed once before
training."""

from collections.abc import Sequence

import torch

from lookahead_ray.config.load import content_hash
from lookahead_ray.data.chat import Rendered
from lookahead_ray.method.context import Context
from lookahead_ray.method.vanilla import token_nats

FORMAT = 1  # incremented when the cached content changes, so that old caches are not used


def token_log_probs(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return log p of every answer token in nats, fp32, (answer tokens,): the rows' answers concatenated.

    Args:
        logits, targets: see `vanilla.token_nats`.
    """
    return -token_nats(logits, targets)


def reference_log_probs(rows: Sequence[Rendered], context: Context) -> dict[Rendered, tuple[float, ...]]:
    """Return log p_0 of each row's answer tokens, for all rows, on every rank.

    Each rank computes its share of the rows, then all shares are gathered. Only rank 0 uses its cache, under
    the hash of the rows' token ids and the seed model.

    Raises:
        FloatingPointError: the log-probability of an answer token is not finite under the seed model.
    """
    if context.rank > 0:
        values = _values(rows, context, None)
    else:
        ids = [[row.prompt_ids, row.answer_ids] for row in rows]
        key = content_hash(["log_p0", FORMAT, context.seed_hash, ids])
        with context.cache.alone(key):
            known = context.cache.get(key)
            values = _values(rows, context, known)
            if known is None:
                context.cache.put(key, values)
    return {row: tuple(value) for row, value in zip(rows, values, strict=True)}


def _values(
    rows: Sequence[Rendered], context: Context, known: list[Sequence[float]] | None
) -> list[Sequence[float]]:
    """Return log p_0 by row: rank 0's cached values `known`, or else computed in shares by all ranks."""
    values: list[Sequence[float]] | None = context.gather(known)[0]
    if values is None:
        shares = context.gather(_my_share(rows, context))
        by_index = {index: value for share in shares for index, value in share.items()}
        values = [by_index[index] for index in range(len(rows))]
    return values


@torch.no_grad()
def _my_share(rows: Sequence[Rendered], context: Context) -> dict[int, list[float]]:
    """Return row index -> log p_0 of its answer tokens, for this rank's rows, batched by similar length."""
    lengths = [len(row.prompt_ids) + len(row.answer_ids) for row in rows]
    order = sorted(range(len(rows)), key=lambda index: (lengths[index], index))
    mine = order[context.rank :: context.world_size]
    share = {}
    _report(context, 0, len(mine))
    for start in range(0, len(mine), context.batch_size):
        chosen = mine[start : start + context.batch_size]
        batch = [rows[index] for index in chosen]
        log_probs = token_log_probs(*context.forward(context.model, batch)).cpu()
        if not torch.isfinite(log_probs).all():
            raise FloatingPointError(
                "the seed model gives an answer token a log-probability that is not finite"
            )
        parts = torch.split(log_probs, [len(row.answer_ids) for row in batch])
        share.update({index: part.tolist() for index, part in zip(chosen, parts, strict=True)})
        _report(context, len(share), len(mine))
    return share


def _report(context: Context, done: int, rows: int) -> None:
    context.report(f"log-probabilities under the seed model · {done} of {rows} rows", done, rows)
