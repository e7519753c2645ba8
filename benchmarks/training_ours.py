"""One rank of our training, as in `trial.worker`: DeepSpeed ZeRO-2, full weights."""

from statistics import fmean
from typing import Any, cast

from benchmarks.clock import Clock
from benchmarks.common import Raw
from benchmarks.packing import PADDED
from benchmarks.training_rows import MODEL, training_rows
from benchmarks.training_settings import TrainingSettings
from lookahead_ray.hardware.precision import Precision, torch_dtype


def measure(variant: str, settings: dict[str, Any]) -> Raw:
    """Train on this rank; environment variables give its number."""
    import torch
    import torch.distributed as dist

    from lookahead_ray.config.training import TrainingConfig
    from lookahead_ray.method import vanilla
    from lookahead_ray.method.compute import Work
    from lookahead_ray.model.load import load_model, load_tokenizer
    from lookahead_ray.train.engine import build_engine, prepare_environment
    from lookahead_ray.train.flops import trial_flops
    from lookahead_ray.train.loop import train
    from lookahead_ray.train.model import prepare_model, supervised

    chosen = TrainingSettings(**settings)
    precision = cast(Precision, chosen.precision)
    on_gpu = chosen.device == "cuda"
    prepare_environment(on_gpu)
    dist.init_process_group("nccl" if on_gpu else "gloo")
    try:
        world_size = dist.get_world_size()
        torch.set_num_threads(chosen.threads // world_size)
        torch.manual_seed(chosen.seed)
        config = TrainingConfig(
            learning_rate=chosen.learning_rate,
            epochs=1,
            batch_size=chosen.batch_size,
            micro_batch_size=chosen.micro_batch_size,
            max_length=chosen.max_length,
            precision=precision,
        )
        tokenizer = load_tokenizer(MODEL)
        model = load_model(MODEL, torch_dtype(precision), torch.device(chosen.device))
        model = prepare_model(model, config)
        if variant == PADDED.name:
            model.set_attn_implementation("eager" if chosen.device == "cpu" else "sdpa")
        rows = training_rows(tokenizer, chosen)
        flops = trial_flops(
            model,
            rows,
            config,
            seed=chosen.seed,
            world_size=world_size,
            prepared=Work(),
            runs_seed_model=False,
        )
        engine = build_engine(model, config, world_size=world_size, total_steps=chosen.steps)
        clock = Clock()
        steps = train(
            engine,
            rows,
            supervised(vanilla.answer_loss, tokenizer.pad_token_id),
            config,
            seed=chosen.seed,
            on_step=lambda step: clock.step_ended(),
        )
        raw = clock.raw(
            [step.tokens for step in steps],
            [step.answer_tokens for step in steps],
            fmean(step.loss for step in steps),
        )
        return {
            **raw,
            "dtype": str(model.dtype),
            "ranks": world_size,
            "zero_stage": engine.zero_optimization_stage(),
            "flops_per_second": flops["training"] / chosen.steps / fmean(raw["step_seconds"]),
        }
    finally:
        dist.destroy_process_group()
