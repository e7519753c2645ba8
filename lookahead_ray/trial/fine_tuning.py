"""A trial's training on one rank: prepare the rows, count the work, train under DeepSpeed.

Rows are made from a task's examples by method, preview and safety mix, in this order.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.data.chat import Rendered, render_all
from lookahead_ray.data.example import Example
from lookahead_ray.data.row_lengths import UNLIMITED, RowLengths, fit_rows
from lookahead_ray.disk_cache import DiskCache, cache_dir
from lookahead_ray.evaluate.generation.base import DecodingSettings
from lookahead_ray.evaluate.generation.registry import build_generator, release_backends
from lookahead_ray.evaluate.results import Signal
from lookahead_ray.method.compute import Work
from lookahead_ray.method.context import Context
from lookahead_ray.method.registry import METHODS
from lookahead_ray.method.reporting import Report
from lookahead_ray.model.load import check_length
from lookahead_ray.preview import apply_previews
from lookahead_ray.train.batches import optimiser_steps, plan_batches
from lookahead_ray.train.compilation import can_compile, is_wanted
from lookahead_ray.train.engine import build_engine, release_engine
from lookahead_ray.train.flops import trial_flops
from lookahead_ray.train.liger import check_liger
from lookahead_ray.train.loop import check_finite_weights, train
from lookahead_ray.train.model import forward, prepare_model
from lookahead_ray.train.packing import packs
from lookahead_ray.train.process_group import gather_everywhere
from lookahead_ray.train.step import Step
from lookahead_ray.trial.checkpoint_manager import CheckpointManager
from lookahead_ray.trial.epoch_signals import EpochSignals
from lookahead_ray.trial.finishing import finish_model
from lookahead_ray.trial.job import Checkpoints
from lookahead_ray.trial.reporter import ProgressReporter

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True)
class TrainedModel:
    """A model after its training, with figures of that training; without training, the seed model."""

    model: "PreTrainedModel"
    zero_stage: int | None = None
    steps: tuple[Step, ...] = ()
    preparation: dict[str, float] = field(default_factory=dict)  # counts, seconds, and FLOPs by part
    flops: float = 0.0  # of training and preparation, summed over ranks; 0 except on rank 0
    seconds: float = 0.0  # of the optimiser steps, the method's `finish` and the merge
    finished: bool = False  # whether `finish` or a merge changed the weights after the last signal


def fine_tune(
    config: TrialConfig,
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    examples: Sequence[Example],
    mixed: Sequence[Example],
    reporter: ProgressReporter,
    signals: EpochSignals,
    checkpoints: Checkpoints | None,
) -> TrainedModel:
    """Fine-tune `model` on `examples` and the safety examples `mixed`; needs an initialised process group.

    After each epoch `signals` are measured, which may end the training; then a checkpoint is written if due.
    Training resumes from the last one of `checkpoints` if it fits, and otherwise starts from the beginning.
    Then, early or not, the method's `finish` is applied; no checkpoint contains it, so it is never repeated.

    Raises:
        LookaheadRayError: data or model can't be used.
        FloatingPointError: training diverged, or `finish` made weights that are not finite.
    """
    start = time.perf_counter()
    world_size = dist.get_world_size()
    reporter.report("preparing", "preparing the training data")
    context = method_context(config, model, tokenizer, reporter.of("preparing"))
    rows, counts, work = training_rows(config, examples, mixed, context)
    reporter.total_steps = optimiser_steps(len(rows), config.training.epochs, config.training.batch_size)
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
            runs_seed_model=method.runs_seed_model,
        )
    checkpoint_manager = CheckpointManager(checkpoints, config, reporter.report)
    if is_wanted(config.training, model.device):
        reporter.report("building", "compiling the model's layers")
        can_compile(model)
    check_liger(model, config.training)
    release_backends()
    reporter.report("building", "initialising DeepSpeed")
    plan = plan_batches(
        [row.length for row in rows],
        config.training,
        world_size=world_size,
        seed=config.seed,
        packed=packs(model),
    )
    accumulation = len(plan[0].micro)
    engine = build_engine(
        model,
        config.training,
        world_size=world_size,
        total_steps=reporter.total_steps,
        accumulation=accumulation,
        elastic=checkpoint_manager.elastic,
    )
    zero_stage = engine.zero_optimization_stage()
    found = checkpoint_manager.restore(engine)
    if found:
        signals.measured += [Signal(**signal) for signal in found.state["signals"]]
    done = found.steps if found else ()
    start = time.perf_counter()
    aside = 0.0
    reporter.training_begins(len(done))

    def on_epoch(steps: list[Step]) -> bool:
        nonlocal aside
        before = time.perf_counter()
        continues = signals.measure(model, steps)
        if continues:
            checkpoint_manager.save(
                engine, steps, {"signals": [asdict(signal) for signal in signals.measured]}
            )
        aside += time.perf_counter() - before
        return continues

    try:
        steps = train(
            engine,
            rows,
            reporter.report_micro_batches(row_loss, accumulation),
            config.training,
            seed=config.seed,
            on_step=reporter.on_step,
            on_epoch=on_epoch,
            done=done,
        )
        seconds = sum(step.seconds for step in done) + time.perf_counter() - start - aside
    finally:
        release_engine(engine)
    start = time.perf_counter()
    if method.finish:
        reporter.report("saving", f"{config.method.name} changes the trained weights")
    finished = finish_model(model, config)
    if finished:
        check_finite_weights(model, config.training)
    seconds += time.perf_counter() - start
    return TrainedModel(
        model=model,
        zero_stage=zero_stage,
        steps=tuple(steps),
        preparation=preparation | {f"{name}_flops": number for name, number in flops.items()},
        flops=flops.get("training", 0.0) + flops.get("preparation", 0.0),
        seconds=seconds,
        finished=finished,
    )


def training_rows(
    config: TrialConfig, examples: Sequence[Example], mixed: Sequence[Example], context: Context
) -> tuple[list[Rendered], dict[str, int], Work]:
    """Return the token ids of all training rows, counts, and the seed model's work for them.

    First the method processes the examples (SDFT rewrites the answers), then the preview is applied to its
    result; the safety examples in `mixed` are appended unchanged. Rows that are too long are cut or left out,
    which is counted (`cut_rows`, `skipped_rows`), as are the method's decisions.

    Raises:
        DataError: rows are too long (see `RowLengths.check`).
        ModelError: a row is longer than the model's context.
    """
    prepared = METHODS[config.method.name].prepare(examples, config.method, context)
    previewed = apply_previews(prepared.examples, config.preview, context.tokenizer)
    training = config.training
    whole = render_all(context.tokenizer, [*previewed, *mixed], UNLIMITED)
    rows = fit_rows(whole, training.max_length, training.too_long)
    lengths = RowLengths.of(whole, training.max_length)
    if said := lengths.describe(training.too_long):
        logging.getLogger(__name__).warning("%s", said)
    decision = "skipped_rows" if training.too_long == "skip" else "cut_rows"
    counts = {**prepared.counts, **({decision: lengths.longer} if lengths.longer else {})}
    longest = max(len(row.prompt_ids) + len(row.answer_ids) for row in rows)
    check_length(context.model, longest, f"training.max_length: {config.training.max_length} lets rows be of")
    return rows, counts, prepared.work


def method_context(
    config: TrialConfig, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", report: Report
) -> Context:
    """Return the context of the trial's method on this rank; needs an initialised process group."""
    settings = DecodingSettings.of(model, tokenizer, config.evaluation.batch_size)
    return Context(
        model=model,
        tokenizer=tokenizer,
        model_config=config.model,
        precision=config.training.precision,
        batch_size=config.training.micro_batch_size,
        prompt_batch_size=config.evaluation.batch_size,
        rank=dist.get_rank(),
        world_size=dist.get_world_size(),
        cache=DiskCache(cache_dir() / "methods"),
        forward=forward(tokenizer.pad_token_id),
        generator=build_generator(model, settings, config.evaluation.backend),
        gather=gather_everywhere,
        report=report,
    )
