"""A trial's training on one rank: prepare the rows, count the work, train under DeepSpeed."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch
import torch.distributed as dist

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.data.example import Example
from lookahead_ray.evaluate.generation import Signal
from lookahead_ray.method import METHODS
from lookahead_ray.train.batches import accumulation_steps
from lookahead_ray.train.engine import build_engine
from lookahead_ray.train.loop import train
from lookahead_ray.train.model import prepare_model
from lookahead_ray.train.step import Step
from lookahead_ray.trial.flops import trial_flops
from lookahead_ray.trial.job import Checkpoints
from lookahead_ray.trial.keeper import Keeper
from lookahead_ray.trial.preparation import method_context, training_rows
from lookahead_ray.trial.reporter import Reporter
from lookahead_ray.trial.signals import Signals


@dataclass(frozen=True)
class Trained:
    """A model after its training, and what was done; without training, the seed model."""

    model: Any
    zero_stage: int | None = None
    steps: tuple[Step, ...] = ()
    preparation: dict[str, float] = field(default_factory=dict)  # counts, seconds, and FLOPs by part
    flops: float = 0.0  # of training and preparation, of all ranks together; 0 on ranks but the first
    seconds: float = 0.0  # of the optimiser steps


def fine_tuned(
    config: TrialConfig,
    model: Any,
    tokenizer: Any,
    examples: Sequence[Example],
    mixed: Sequence[Example],
    reporter: Reporter,
    signals: Signals,
    checkpoints: Checkpoints | None,
) -> Trained:
    """Fine-tune `model` on `examples` and the safety examples `mixed`; the process group is initialised.

    After each epoch `signals` are taken, which may end the training there; then a checkpoint is written,
    where it is due. Training goes on from the last one of `checkpoints` that fits; without, at its start.

    Raises:
        LookaheadRayError: data or model can't be used.
        FloatingPointError: training diverged.
    """
    start = time.perf_counter()
    world_size = dist.get_world_size()
    reporter.report("preparing", "preparing the training data")
    context = method_context(config, model, tokenizer, reporter.of("preparing"))
    rows, counts, work = training_rows(config, examples, mixed, context)
    torch.manual_seed(config.seed)
    model = prepare_model(model, config.training)
    method = METHODS[config.method.name]
    row_loss = method.row_loss(rows, config.method, replace(context, model=model))
    preparation: dict[str, float] = {
        **counts,
        "training_examples": len(rows),
        "safety_examples": len(mixed),
        "seconds": time.perf_counter() - start,
    }
    flops: dict[str, float] = {}
    if dist.get_rank() == 0:
        reporter.report("building", "counting FLOPs")
        flops = trial_flops(
            model,
            rows,
            config.training,
            seed=config.seed,
            world_size=world_size,
            prepared=work,
            asks_seed=method.asks_seed,
        )
    elastic = checkpoints is not None and checkpoints.elastic
    reporter.report("building", "initialising DeepSpeed")
    engine = build_engine(
        model, config.training, world_size=world_size, total_steps=reporter.total_steps, elastic=elastic
    )
    zero_stage = engine.zero_optimization_stage()
    keeper = Keeper(checkpoints, config, lambda detail: reporter.report("saving", detail))
    found = keeper.restore(engine)
    if found:
        signals.taken += [Signal(**signal) for signal in found.state["signals"]]
    done = found.steps if found else ()
    start = time.perf_counter()
    aside = 0.0
    micro_batches = accumulation_steps(
        config.training.batch_size, config.training.micro_batch_size, world_size
    )
    reporter.training_begins(len(done))

    def on_epoch(steps: list[Step]) -> bool:
        nonlocal aside
        before = time.perf_counter()
        goes_on = signals.after(model, steps)
        if goes_on:
            if checkpoints:
                reporter.report("saving", "writing a checkpoint")
            keeper.save(engine, steps, {"signals": [asdict(signal) for signal in signals.taken]})
        aside += time.perf_counter() - before
        return goes_on

    steps = train(
        engine,
        rows,
        reporter.watched(row_loss, micro_batches),
        config.training,
        seed=config.seed,
        on_step=reporter.on_step,
        on_epoch=on_epoch,
        done=done,
    )
    seconds = sum(step.seconds for step in done) + time.perf_counter() - start - aside
    engine.destroy()  # its hooks would keep weights and optimiser alive for as long as the process
    return Trained(
        model=model,
        zero_stage=zero_stage,
        steps=tuple(steps),
        preparation=preparation | {f"{name}_flops": number for name, number in flops.items()},
        flops=flops.get("training", 0.0) + flops.get("preparation", 0.0),
        seconds=seconds,
    )
