"""The training loop of one rank."""

import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from lookahead_ray.config.training import TrainingConfig
from lookahead_ray.data.chat import Rendered
from lookahead_ray.hardware.precision import torch_dtype
from lookahead_ray.method.context import RowLoss
from lookahead_ray.train.batches import plan_batches
from lookahead_ray.train.compilation import compiled_layers
from lookahead_ray.train.liger import liger_kernels
from lookahead_ray.train.packing import packs
from lookahead_ray.train.step import Step

if TYPE_CHECKING:
    from deepspeed import DeepSpeedEngine


def train(
    engine: "DeepSpeedEngine",
    rows: Sequence[Rendered],
    row_loss: RowLoss,
    config: TrainingConfig,
    *,
    seed: int,
    on_step: Callable[[Step], None],
    on_epoch: Callable[[list[Step]], bool] = lambda steps: True,
    done: Sequence[Step] = (),
) -> list[Step]:
    """Train `engine` on `rows`; every rank calls this with the same arguments and gets the same steps.

    `on_epoch` is called on every rank after each epoch with the steps so far; if it returns False, on all
    ranks, training ends there. `done` holds the steps of epochs that `engine` has completed before; training
    continues after them, and the returned steps include them.

    The gradient of a step is that of the mean loss over all answer tokens of the global batch, independent of
    their distribution over ranks and accumulation steps; under `protocol: paper` that of the mean over
    micro-batches of their mean losses (the published trainer's; fb1749e). A step's `loss` is the former in
    both protocols.

    Raises:
        FloatingPointError: the loss, the gradient or a weight is no longer a finite number, or DeepSpeed left
            out a step. All ranks raise it together.
        TrialError: a batch needs a variant of the layers that one of several ranks can't compile.
    """
    rank, world_size = dist.get_rank(), dist.get_world_size()
    lengths = [row.length for row in rows]
    batches = plan_batches(lengths, config, world_size=world_size, seed=seed, packed=packs(engine.module))
    engine.train()
    steps = list(done)
    seen = sum(len(batch.examples) for batch in batches[: len(done)])
    with liger_kernels(engine.module, config), compiled_layers(engine.module, config):
        for number, batch in enumerate(batches[len(done) :], start=len(done) + 1):
            start = time.perf_counter()
            examples = batch.examples
            answer_tokens = sum(len(rows[index].answer_ids) for index in examples)
            learning_rate = engine.get_lr()[0]
            total = torch.zeros((), device=engine.device)
            for shares in batch.micro:
                share = shares[rank]
                # A rank without examples still takes part in the backward pass, with zero loss.
                loss = row_loss(engine, [rows[index] for index in share or examples[:1]])
                if not share:
                    loss = loss * 0.0
                total += loss.detach()
                # the engine divides by micro-batches and averages over ranks
                if config.protocol == "paper":
                    engine.backward(loss / max(1, sum(len(rows[index].answer_ids) for index in share)))
                else:
                    engine.backward(loss * (len(batch.micro) * world_size / answer_tokens))
                engine.step()
            dist.all_reduce(total)
            summed, grad_norm = _read(total, engine.get_global_grad_norm())
            mean = summed / answer_tokens
            _check_finite(mean, grad_norm, engine.skipped_steps, number, config)
            seen += len(examples)
            steps.append(
                Step(
                    step=number,
                    epoch=seen / len(rows),
                    loss=mean,
                    learning_rate=float(learning_rate),
                    grad_norm=grad_norm,
                    tokens=sum(lengths[index] for index in examples),
                    answer_tokens=answer_tokens,
                    seconds=time.perf_counter() - start,
                )
            )
            on_step(steps[-1])
            if number == len(batches) or batches[number].epoch > batch.epoch:
                if not on_epoch(steps):
                    break
                engine.train()
    engine.eval()
    check_finite_weights(engine.module, config)
    return steps


def check_finite_weights(model: torch.nn.Module, config: TrainingConfig) -> None:
    """Check that all weights are numbers.

    Raises:
        FloatingPointError: a weight is infinite or NaN.
    """
    with torch.no_grad():
        finite = [torch.linalg.vector_norm(weight, torch.inf).isfinite() for weight in model.parameters()]
    if not torch.stack(finite).all():
        raise FloatingPointError(f"the trained weights are not finite: {_advice(config)}")


def _read(loss: torch.Tensor, grad_norm: "torch.Tensor | float | None") -> tuple[float, float | None]:
    """Return both as numbers; the only time in a step that the device is waited for."""
    if not isinstance(grad_norm, torch.Tensor):
        return loss.item(), grad_norm
    found: list[float] = torch.stack([loss.double(), grad_norm.to(loss.device).double()]).tolist()
    return found[0], found[1]


def _check_finite(
    loss: float, grad_norm: float | None, skipped: int, step: int, config: TrainingConfig
) -> None:
    if not math.isfinite(loss):
        raise FloatingPointError(f"the loss is {loss} at step {step}: {_advice(config)}")
    if grad_norm is not None and not 0 <= grad_norm < math.inf:
        raise FloatingPointError(f"the gradient's norm is {grad_norm} at step {step}: {_advice(config)}")
    if skipped:
        raise FloatingPointError(f"DeepSpeed left out step {step}: {_advice(config)}")


def _advice(config: TrainingConfig) -> str:
    finer = ", or set training.precision to fp32" if torch_dtype(config.precision) == torch.bfloat16 else ""
    return f"lower training.learning_rate{finer}"
