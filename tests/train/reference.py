"""Training rows, and the plain loop that training must equal: full logits, no padding, no ranks."""

import random
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from lookahead_ray.config.training import TrainingConfig
from lookahead_ray.data.chat import Rendered
from lookahead_ray.train.batches import optimiser_steps, plan_batches
from tests.toy import VOCAB


def make_rows(count: int, seed: int = 0) -> list[Rendered]:
    """Return prompts and answers of uneven lengths; answers count upwards from the prompt's last token."""
    rng = random.Random(seed)
    rows = []
    for _ in range(count):
        prompt = tuple(rng.randrange(1, VOCAB) for _ in range(rng.randint(1, 20)))
        answer = tuple((prompt[-1] + step) % VOCAB for step in range(1, rng.randint(2, 16)))
        rows.append(Rendered(prompt, answer))
    return rows


def loss_sum(model: Any, rows: Sequence[Rendered]) -> torch.Tensor:
    """Return −Σ log p of all answer tokens, one row at a time, from the logits of all positions."""
    losses = []
    for row in rows:
        ids = torch.tensor([[*row.prompt_ids, *row.answer_ids]])
        logits = model(input_ids=ids).logits[0, :-1].float()
        targets = ids[0, 1:].clone()
        targets[: len(row.prompt_ids) - 1] = -100
        losses.append(functional.cross_entropy(logits, targets, reduction="sum"))
    return torch.stack(losses).sum()


def mean_loss(model: Any, rows: Sequence[Rendered]) -> torch.Tensor:
    """Return `loss_sum` per answer token; 0 without rows."""
    return loss_sum(model, rows) / sum(len(row.answer_ids) for row in rows) if rows else torch.zeros(())


def train_plainly(model: Any, rows: Sequence[Rendered], config: TrainingConfig, seed: int) -> list[float]:
    """Run AdamW on the mean over all answer tokens of each global batch; return the losses before each step.

    With `protocol: paper` it uses the mean of the means over each micro-batch.
    """
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay
    )
    total = optimiser_steps(len(rows), config.epochs, config.batch_size)
    batches = plan_batches(
        [len(row.prompt_ids) + len(row.answer_ids) for row in rows],
        config,
        world_size=1,
        seed=seed,
        packed=False,
    )
    model.train()
    losses = []
    for step, batch in enumerate(batches):
        chosen = [rows[index] for index in batch.examples]
        loss = mean_loss(model, chosen)
        losses.append(loss.item())
        if config.protocol == "paper":
            parts = [[rows[index] for index in share] for micro in batch.micro for share in micro]
            loss = torch.stack([mean_loss(model, part) for part in parts]).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * (total - step) / total
        optimiser.step()
    return losses
