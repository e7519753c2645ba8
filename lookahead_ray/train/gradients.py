"""Gradients between the backward pass and the optimiser: clipping, and their memory.

DeepSpeed clips too, but to decide how it reads the norm from the device, which waits for the device in every
step; and without ZeRO it does not report the norm.
"""

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from deepspeed import DeepSpeedEngine

LEAST_NORM = 1e-6  # added to the norm, as DeepSpeed and torch do


def clip_at(engine: "DeepSpeedEngine", optimiser: torch.optim.Optimizer, max_norm: float) -> None:
    """Scale the gradients of `optimiser` down to `max_norm` before each of its steps, on the device alone.

    `engine` must not clip. Under ZeRO the norm over all ranks is the one that DeepSpeed computes; without, it
    is that of the gradients, which all ranks have. `engine.get_global_grad_norm` returns it in both cases.
    """
    zero: Any = engine.optimizer
    own = engine.optimizer is optimiser  # without ZeRO

    def clip(stepping: torch.optim.Optimizer, *_: Any) -> None:
        if getattr(
            zero, "clip_grad", 0.0
        ):  # restored from a checkpoint of a version in which DeepSpeed clipped
            return
        gradients = [
            weight.grad
            for group in stepping.param_groups
            for weight in group["params"]
            if weight.grad is not None
        ]
        if own:
            zero._global_grad_norm = torch.nn.utils.get_total_norm(gradients)
        scale = ((zero._global_grad_norm + LEAST_NORM) / max_norm).clamp(min=1.0)
        for gradient in gradients:
            gradient.mul_(1.0 / scale)

    optimiser.register_step_pre_hook(clip)


def free_reduced(engine: "DeepSpeedEngine", bucket: int) -> None:
    """Reduce gradients whenever `bucket` numbers have accumulated, and free them.

    For ZeRO 2 with gradients accumulated in fp32 and no contiguous buffer. DeepSpeed adds each gradient to
    its fp32 partition when it reduces it, but keeps it until the end of the backward pass.
    """
    zero: Any = engine.optimizer
    waiting: list[torch.Tensor] = []

    def reduce(weight: torch.Tensor) -> None:
        waiting.append(weight)
        if sum(each.numel() for each in waiting) >= bucket:
            zero.reduce_ipg_grads()
            for each in waiting:
                each.grad = None
            waiting.clear()

    weights = [weight for group in zero.bit16_groups for weight in group]
    # runs after DeepSpeed's hook on the same weight, which puts its gradient into the bucket
    zero._grad_acc_hooks += [weight.register_post_accumulate_grad_hook(reduce) for weight in weights]
    zero._grad_acc_hooks += [weight.register_hook(_in_row_order) for weight in weights if 1 in weight.shape]


def _in_row_order(gradient: torch.Tensor) -> torch.Tensor:
    """Return the gradient with the strides of a new tensor.

    That of an embedding's adapter of rank 1 has others, and DeepSpeed copies it to a view of itself.
    """
    return gradient.reshape(-1).view(gradient.shape)
