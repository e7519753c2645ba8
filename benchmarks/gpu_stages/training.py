"""Training by the project: rows packed and padded, layers compiled, with Liger, plain and checkpointed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.common import Raw
from benchmarks.gpu_stages.memory import live_bytes, peak_gb, start_peak
from benchmarks.gpu_stages.models import PAD_ID, random_model, random_rows, training_flops
from benchmarks.gpu_stages.settings import (
    LEARNING_RATE,
    MAX_LENGTH,
    MODELS,
    SIZES,
    WARM_UP_STEPS,
    StageSettings,
)
from lookahead_ray.config.training import TrainingConfig
from lookahead_ray.data.chat import Rendered
from lookahead_ray.method import vanilla
from lookahead_ray.train.batches import plan_batches
from lookahead_ray.train.engine import build_engine, release_engine
from lookahead_ray.train.loop import train
from lookahead_ray.train.model import prepare_model, supervised
from lookahead_ray.train.packing import packs
from lookahead_ray.train.step import Step


@dataclass(frozen=True, slots=True)
class Way:
    """One way to train: fields of `TrainingConfig`, and whether rows are packed."""

    name: str
    fields: dict[str, Any] = field(default_factory=dict)
    packed: bool = True


def ways(settings: StageSettings) -> list[Way]:
    """Return the ways to measure, the most wanted first."""
    sizes = SIZES[settings.model]
    plain = {"compile": False}
    packed = [Way(f"packed_{budget}", {**plain, "micro_batch_tokens": budget}) for budget in sizes.budgets]
    first = packed[0]
    has_liger = find_spec("liger_kernel") is not None and settings.device == "cuda"
    with_liger = [Way(f"{first.name}_liger", {**first.fields, "liger": True})] if has_liger else []
    found = [
        Way(f"{first.name}_compiled", {**first.fields, "compile": True}),
        *with_liger,
        *packed,
        Way("padded", {**plain, "micro_batch_size": sizes.micro_rows}, packed=False),
        Way(f"{first.name}_checkpointing", {**first.fields, "gradient_checkpointing": True}),
    ]
    kept = [each for each in found if not settings.options or each.name.startswith(settings.options)]
    return kept if kept and not settings.tiny else found


def measure(settings: StageSettings) -> Iterator[Raw]:
    """Yield the figures of each way; out of memory is a figure too."""
    for way in ways(settings):
        try:
            yield {"way": way.name, **train_once(settings, way)}
        except torch.cuda.OutOfMemoryError as error:
            yield {"way": way.name, "out_of_memory": str(error).splitlines()[0]}
        start_peak(settings.device)


def training_config(settings: StageSettings, precision: str = "bf16", **fields: Any) -> TrainingConfig:
    """Return the configuration of one epoch over `steps` batches."""
    sizes = SIZES[settings.model]
    return TrainingConfig.model_validate(
        {
            "learning_rate": LEARNING_RATE,
            "epochs": 1,
            "batch_size": sizes.batch_size,
            "max_length": MAX_LENGTH,
            "precision": precision,
            **fields,
        }
    )


def train_once(settings: StageSettings, way: Way) -> Raw:
    """Train in one way and return its figures; the first steps are not timed."""
    start_peak(settings.device)
    config = training_config(settings, **way.fields)
    rows = random_rows(settings, config.batch_size * SIZES[settings.model].steps)
    model = random_model(settings, torch.bfloat16)
    weights = sum(weight.numel() * weight.element_size() for weight in model.parameters())
    profiler = Profiler(SIZES[settings.model].steps, settings.device)
    steps, engine = start_training(model, rows, config, settings, way.packed, profiler.step_ended)
    peak = peak_gb(settings.device)
    release_engine(engine)
    timed = steps[WARM_UP_STEPS:-1]  # the last one is profiled
    seconds = sum(step.seconds for step in timed)
    flops = training_flops(settings.model, rows) * sum(step.tokens for step in timed)
    flops /= sum(row.length for row in rows)
    return {
        "tokens_per_second": sum(step.tokens for step in timed) / seconds,
        "flops_per_second": flops / seconds,
        **({"share_of_measured_peak": flops / seconds / settings.peak_flops} if settings.peak_flops else {}),
        "seconds_per_step": seconds / len(timed),
        "mean_loss": sum(step.loss for step in steps) / len(steps),
        "layers": MODELS[settings.model].layers,
        "packed": packs(model),
        "peak_gb": peak,
        "weights_gb": weights / 1e9,
        "live_gb_after_release": live_bytes(settings.device) / 1e9,
        **profiler.busy(),
    }


def start_training(
    model: Any,
    rows: list[Rendered],
    config: TrainingConfig,
    settings: StageSettings,
    packed: bool = True,
    on_step: Callable[[Step], None] = lambda step: None,
) -> tuple[list[Step], Any]:
    """Train `model` on `rows`; return the steps and the engine, which the caller releases."""
    model = prepare_model(model, config)
    if not packed:
        model.set_attn_implementation("sdpa" if settings.device == "cuda" else "eager")
    plan = plan_batches([row.length for row in rows], config, world_size=1, seed=0, packed=packs(model))
    engine = build_engine(model, config, world_size=1, total_steps=len(plan), accumulation=len(plan[0].micro))
    loss = supervised(vanilla.answer_loss, PAD_ID)
    return train(engine, rows, loss, config, seed=0, on_step=on_step), engine


class Profiler:
    """How long the GPU computes in the last of `steps` steps."""

    def __init__(self, steps: int, device: str) -> None:
        activity = ProfilerActivity.CUDA if device == "cuda" else ProfilerActivity.CPU
        self._profile = profile(activities=[activity])
        self._steps = steps
        self._on_gpu = device == "cuda"
        self._last: Step | None = None

    def step_ended(self, step: Step) -> None:
        """Begin before the last step, and end after it."""
        if step.step == self._steps - 1:
            self._profile.start()
        elif step.step == self._steps:
            self._profile.stop()
            self._last = step

    def busy(self) -> Raw:
        """Return the time of the GPU's kernels and of the step, with the profiler's cost; nothing on CPUs."""
        if self._last is None or not self._on_gpu:
            return {}
        found: Any = self._profile
        spans = [
            each.time_range.elapsed_us() for each in found.events() or () if each.device_type.name == "CUDA"
        ]
        return {"gpu_busy_ms": sum(spans) / 1e3, "profiled_step_ms": 1e3 * self._last.seconds}
