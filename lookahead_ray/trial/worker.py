"""The work of each rank in a trial's worker group: load, train, evaluate in place, send rows to rank 0."""

import time
from collections.abc import Iterable
from dataclasses import asdict
from math import isfinite
from typing import TypeVar

import torch
import torch.distributed as dist

from lookahead_ray.config.load import content_hash
from lookahead_ray.config.safety import ProbeSuite
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.data.suites.registry import load_suite
from lookahead_ray.data.tasks.registry import load_task
from lookahead_ray.evaluate.evaluation import Evaluation
from lookahead_ray.evaluate.harness import measure_harness
from lookahead_ray.evaluate.judges.call_quota import CallQuota
from lookahead_ray.evaluate.results import Generation
from lookahead_ray.hardware.precision import torch_dtype
from lookahead_ray.method.safety_mix import safety_examples
from lookahead_ray.model.adapters import merge_adapters
from lookahead_ray.model.load import load_model, model_hash
from lookahead_ray.train.batches import optimiser_steps
from lookahead_ray.train.engine import prepare_environment
from lookahead_ray.train.process_group import object_group
from lookahead_ray.trial.epoch_signals import EpochSignals
from lookahead_ray.trial.fine_tuning import TrainedModel, fine_tune
from lookahead_ray.trial.job import Checkpoints, Saving
from lookahead_ray.trial.measurement import Measurement, versions
from lookahead_ray.trial.merging import merge_with_seed
from lookahead_ray.trial.model_export import check_directory, write_model
from lookahead_ray.trial.out_of_memory import run_in_memory
from lookahead_ray.trial.progress import Decide, OnProgress
from lookahead_ray.trial.reporter import ProgressReporter
from lookahead_ray.trial.seed_model import check_alike, kl_reference, tokenizer_of

Value = TypeVar("Value")


def run_worker(
    config: TrialConfig,
    trains: bool,
    send: OnProgress,
    saving: Saving | None = None,
    decide: Decide = lambda signal: True,
    checkpoints: Checkpoints | None = None,
    quota: CallQuota | None = None,
) -> Measurement | None:
    """Run one trial on this rank; needs an initialised process group. Only rank 0 returns the measurement.

    Args:
        trains: whether the model is trained; if not, the seed model is measured.
        send: called with the progress; only rank 0's is shown.
        saving: if set, rank 0 writes the trained model before it is measured. The measured model is the one
            that is or would be written: adapters are merged, unless only they are to be written.
        checkpoints: training resumes from the last one there, if it is of this configuration.
        quota: counts the calls of paid judges in the whole run; None: the limits hold for this trial.
        decide: called by rank 0 after each epoch; if it returns False, training stops and the trial is not
            evaluated.

    Raises:
        LookaheadRayError: data or model can't be used, or the trial ran out of memory.
        FloatingPointError: training diverged, or a score or the KL divergence is not finite.
    """
    reporter = ProgressReporter(send)

    def run() -> Measurement | None:
        return _run(config, trains, reporter, saving, decide, checkpoints, quota)

    return run_in_memory(run, config, lambda: reporter.progress.phase)


def _run(
    config: TrialConfig,
    trains: bool,
    reporter: ProgressReporter,
    saving: Saving | None,
    decide: Decide,
    checkpoints: Checkpoints | None,
    quota: CallQuota | None,
) -> Measurement | None:
    if saving:
        check_directory(saving)
    rank, world_size = dist.get_rank(), dist.get_world_size()
    on_gpu = config.resources.gpus_per_worker > 0
    device = torch.device("cuda", torch.cuda.current_device()) if on_gpu else torch.device("cpu")
    if device.type == "cpu":
        torch.set_num_threads(max(1, int(config.resources.cpus_per_worker)))
    prepare_environment(on_gpu=device.type == "cuda")
    task, probe = load_task(config.task), load_suite(ProbeSuite())
    suites = [load_suite(suite) for suite in config.safety]
    measured_on = [item.prompt for part in (*suites, probe) for item in (*part.harmful, *part.benign)]
    mixed = safety_examples(config.defence.mix if trains else None, task.train, measured_on)
    epochs = config.training.epochs if trains else 0
    # at most; `fine_tune` leaves out the rows that are too long, where that is configured
    reporter.total_steps = optimiser_steps(len(task.train) + len(mixed), epochs, config.training.batch_size)

    reporter.report("starting", "loading the model")
    check_alike(config.model)
    tokenizer = tokenizer_of(config.model)
    model = load_model(config.model, torch_dtype(config.training.precision), device)
    part = (rank, world_size, quota)
    evaluation = Evaluation(tokenizer, task, suites, config.evaluation, config.defence, *part)
    seed = kl_reference(evaluation, model, config, reporter.of("reference"))
    signals = EpochSignals(evaluation, seed, epochs, decide, reporter.of("measuring"))
    trained = TrainedModel(model)
    if trains:
        trained = fine_tune(config, model, tokenizer, task.train, mixed, reporter, signals, checkpoints)
        trained = merge_with_seed(trained, config, reporter.of("saving"))
    else:
        signals.measure(model, ())
    model = trained.model
    stopped = len(trained.steps) < reporter.total_steps
    if not (saving and saving.adapter):
        if trains and config.training.lora:
            reporter.report("saving", "merging the adapter")
        model = merge_adapters(model)  # measures the model as it will be used, and generates faster
    if trains and saving:
        reporter.report("saving", "writing the model")
        if rank == 0:
            write_model(model, tokenizer, saving)

    start = time.perf_counter()
    model.eval()  # type: ignore[no-untyped-call]  # Transformers lacks its annotation
    answering, judging = reporter.of("answering"), reporter.of("judging")
    generations = [] if stopped else evaluation.generations(model, answering, judging)
    abilities = {}
    if config.evaluation.harness and not stopped:
        abilities = measure_harness(model, tokenizer, config.evaluation.harness, rank, world_size, judging)
    reporter.report("ending", "collecting the results of all ranks")
    changed = saving is not None or trained.finished  # since the last signal
    kl = evaluation.kl.measure(model, seed) if changed else signals.token_kl
    gathered = _gather((generations, kl, abilities, evaluation.outage))
    if gathered is None:
        return None
    _check_scores(row for rows, *_ in gathered for row in rows)
    return Measurement(
        workers=world_size,
        zero_stage=trained.zero_stage,
        train_tokens=sum(step.tokens for step in trained.steps),
        flops=trained.flops,
        seconds_train=trained.seconds,
        seconds_evaluate=time.perf_counter() - start + sum(signal.seconds for signal in signals.measured),
        data_hash=content_hash(
            [task.data_hash, *evaluation.data_hashes, *(asdict(example) for example in mixed)]
        ),
        model_hash=model_hash(config.model),
        versions=versions(),
        preparation=trained.preparation,
        stopped=stopped,
        outage=next((outage for *_, outage in gathered if outage), None),
        harness={task: score for _, _, scores, _ in gathered for task, score in scores.items()},
        steps=trained.steps,
        signals=tuple(signals.measured),
        generations=tuple(evaluation.in_order(row for rows, *_ in gathered for row in rows)),
        token_kl=tuple(evaluation.kl.in_order(row for _, rows, *_ in gathered for row in rows)),
    )


def _check_scores(rows: Iterable[Generation]) -> None:
    for row in rows:
        if row.score is not None and not isfinite(row.score):
            raise FloatingPointError(
                f"the score of {row.metric} for {row.prompt_id} is {row.score}: the model's logits are not "
                "finite; lower training.learning_rate"
            )


def _gather(value: Value) -> list[Value] | None:
    """Return the values of all ranks on rank 0, None on other ranks."""
    gathered = [value] * dist.get_world_size() if dist.get_rank() == 0 else None
    dist.gather_object(value, gathered, dst=0, group=object_group())
    return gathered
