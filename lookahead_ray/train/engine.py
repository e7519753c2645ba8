"""The DeepSpeed engine of one rank."""

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lookahead_ray.config.training import TrainingConfig
from lookahead_ray.hardware.precision import torch_dtype
from lookahead_ray.train.allocator import keep_freed
from lookahead_ray.train.batches import accumulation_steps
from lookahead_ray.train.gradients import clip_at, free_reduced
from lookahead_ray.train.shared_memory_op import load_operation

if TYPE_CHECKING:
    from deepspeed import DeepSpeedEngine
    from transformers import PreTrainedModel

LARGEST_BUCKET = 500_000_000  # numbers that are reduced at once; DeepSpeed's default
BUCKETS = 32  # that all gradients of a small model are divided into


def prepare_environment(on_gpu: bool) -> None:
    """Set what DeepSpeed reads on import, and on CPUs the allocator; call before DeepSpeed is imported."""
    if not on_gpu:
        os.environ["DS_ACCELERATOR"] = "cpu"
        keep_freed()
    # DeepSpeed compiles its shared-memory op on first use and looks for ninja on PATH only.
    scripts = str(Path(sys.executable).parent)
    if scripts not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}"


@contextmanager
def _nothing_sent() -> Iterator[None]:
    """Skip DeepSpeed's broadcast of rank 0's weights for the duration; it takes a second over gloo."""
    from deepspeed.runtime.engine import DeepSpeedEngine

    sending = DeepSpeedEngine._broadcast_model
    DeepSpeedEngine._broadcast_model = lambda engine: None
    try:
        yield
    finally:
        DeepSpeedEngine._broadcast_model = sending


@_nothing_sent()
def build_engine(
    model: "PreTrainedModel",
    config: TrainingConfig,
    *,
    world_size: int,
    total_steps: int,
    accumulation: int | None = None,
    elastic: bool = False,
) -> "DeepSpeedEngine":
    """Return a DeepSpeed engine with ZeRO, AdamW and linear decay (after a warm-up); needs a process group.

    The loss passed to `engine.backward` is divided by the accumulation steps and averaged over ranks; `loop`
    scales it so that the gradient is the mean that `training.protocol` defines. `accumulation` is the number
    of accumulation steps of the plan; None: as many as micro-batches of `micro_batch_size` need. With
    `elastic`, fewer ranks can load the checkpoints too, under ZeRO 1 and 2. All ranks must have the same
    weights. End it with `release_engine`.

    Its ZeRO stage is that of `used_stage`.

    Under ZeRO 2 gradients are accumulated in fp32. Under ZeRO 0 DeepSpeed refuses that, and under ZeRO 1 it
    would use an optimiser whose checkpoints other numbers of ranks can't load: there they have the weights'
    precision. In fp32, and without ZeRO, DeepSpeed skips a step whose gradient is not finite; elsewhere it
    applies it; `loop` fails in both cases.
    """
    import deepspeed
    import torch

    load_operation(on_gpu=model.device.type != "cpu")
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimiser = torch.optim.AdamW(
        weights, lr=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay, fused=True
    )

    def share_of_peak(step: int) -> float:
        if step < config.warmup_steps:
            return (step + 1) / (config.warmup_steps + 1)
        return max(0.0, (total_steps - step) / max(1, total_steps - config.warmup_steps))

    if accumulation is None:
        if config.micro_batch_tokens is not None:
            raise ValueError(
                "accumulation must be that of the plan with training.micro_batch_tokens, got None"
            )
        accumulation = accumulation_steps(config.batch_size, config.micro_batch_size, world_size)
    half = torch_dtype(config.precision) == torch.bfloat16
    stage = used_stage(config, world_size, elastic)
    wide = half and stage == 2  # gradients are accumulated in fp32
    # one rank has nothing to send, and on CPUs the copy into one buffer costs a fifth of a small model's step
    sends = model.device.type != "cpu" and world_size > 1
    bucket = bucket_size(sum(weight.numel() for weight in weights))
    clips = not half or stage > 0
    engine, *_ = deepspeed.initialize(
        model=model,
        optimizer=optimiser,
        lr_scheduler=torch.optim.lr_scheduler.LambdaLR(optimiser, share_of_peak),
        dist_init_required=False,
        config={
            # DeepSpeed checks that these three are consistent; real sizes come from `batches.plan_batches`.
            "train_batch_size": config.micro_batch_size * accumulation * world_size,
            "train_micro_batch_size_per_gpu": config.micro_batch_size,
            "gradient_accumulation_steps": accumulation,
            "gradient_clipping": 0.0 if clips else config.max_grad_norm,
            "bf16": {"enabled": half, "check_grad_overflow": False},
            **({"data_types": {"grad_accum_dtype": "fp32"}} if wide else {}),
            "zero_optimization": {
                "stage": stage,
                "contiguous_gradients": sends,
                "overlap_comm": sends,
                "reduce_bucket_size": bucket,
                "elastic_checkpoint": elastic and stage > 0,
            },
            "zero_allow_untested_optimizer": True,
            "steps_per_print": 10**9,
            "timers": {"throughput": {"enabled": False}},
        },
    )
    if world_size == 1 and stage == 0:
        engine.enable_backward_allreduce = False  # it would copy all gradients
    if clips:
        clip_at(engine, optimiser, config.max_grad_norm)
    if wide and not sends:
        free_reduced(engine, bucket)
    return engine


def used_stage(config: TrainingConfig, world_size: int, elastic: bool = False) -> int:
    """Return the ZeRO stage of a training: 0 for a single rank that trains all weights in fp32, else that of
    `config`.

    A single rank has nothing to divide, and without ZeRO it needs no flat copies of weights and gradients,
    which take 40 % of the memory and a twelfth of a small model's step. In half precision ZeRO keeps the fp32
    weights, and `elastic` checkpoints may come from more ranks.
    """
    divides = world_size > 1 or elastic or config.precision != "fp32" or config.lora is not None
    return config.zero_stage if divides else 0


def bucket_size(trained: int) -> int:
    """Return how many of `trained` gradients are reduced at once; more take memory, fewer take more calls."""
    return min(LARGEST_BUCKET, max(1, trained // BUCKETS))


def release_engine(engine: "DeepSpeedEngine") -> None:
    """End `engine` and free its optimiser, its fp32 weights and the gradients; its model remains.

    `engine.destroy` leaves two hooks on the model that refer to the engine and would run in every forward
    pass of the evaluation. The engine must not be used again.
    """
    import torch

    parts: Any = engine
    module = parts.module
    engine.destroy()
    for hook in (parts.module_forward_pre_hook, parts.module_forward_post_hook):
        if hook is not None:
            hook.remove()
    parts.optimizer = parts.basic_optimizer = parts.lr_scheduler = parts.client_lr_scheduler = None
    for weight in module.parameters():
        weight.grad = None
        weight.grad_accum = None
    gc.collect()  # engine and optimiser hold reference cycles
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def forget_models() -> None:
    """Let go of the last model whose engine was not released: DeepSpeed keeps its modules for their names."""
    from deepspeed.utils.debug import debug_clear_module_and_param_names

    debug_clear_module_and_param_names()
