"""One rank of our side, as `trial.worker` trains: gloo, DeepSpeed ZeRO-2, full weights in bf16."""

from statistics import fmean
from typing import Any

from benchmarks.common import Raw
from benchmarks.training import TrainingSettings
from benchmarks.training_rows import MODEL, Clock, training_rows


def measure(variant: str, settings: dict[str, Any]) -> Raw:
    """Train on this rank; the environment says which one it is."""
    import torch
    import torch.distributed as dist

    from lookahead_ray.config.training import TrainingConfig
    from lookahead_ray.method import vanilla
    from lookahead_ray.model.load import load_model, load_tokenizer
    from lookahead_ray.train.engine import build_engine, prepare_environment
    from lookahead_ray.train.loop import train
    from lookahead_ray.train.model import prepare_model, supervised

    chosen = TrainingSettings(**settings)
    prepare_environment(on_gpu=False)
    dist.init_process_group("gloo")
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
        )
        tokenizer = load_tokenizer(MODEL)
        model = prepare_model(load_model(MODEL, torch.bfloat16), config)
        engine = build_engine(model, config, world_size=world_size, total_steps=chosen.steps)
        clock = Clock()
        steps = train(
            engine,
            training_rows(tokenizer, chosen),
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
        return {**raw, "ranks": world_size, "zero_stage": engine.zero_optimization_stage()}
    finally:
        dist.destroy_process_group()
