"""The work of each rank in a trial's worker group: load, train, evaluate in place, send rows to rank 0."""

from collections.abc import Sequence
from dataclasses import asdict, replace

import torch
import torch.distributed as dist

from lookahead_ray.config.load import content_hash
from lookahead_ray.config.safety import ProbeSuite
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.data.suites.registry import load_suite
from lookahead_ray.data.tasks.registry import load_task
from lookahead_ray.evaluate.evaluation import Evaluation
from lookahead_ray.evaluate.judges.call_quota import CallQuota
from lookahead_ray.hardware.precision import torch_dtype
from lookahead_ray.method.safety_mix import safety_examples
from lookahead_ray.model.adapters import merge_adapters
from lookahead_ray.model.load import load_model
from lookahead_ray.train.batches import optimiser_steps
from lookahead_ray.train.engine import prepare_environment
from lookahead_ray.train.process_group import gather_everywhere
from lookahead_ray.trial.epoch_signals import EpochSignals
from lookahead_ray.trial.fine_tuning import TrainedModel, fine_tune
from lookahead_ray.trial.job import Checkpoints, ChooseShare, EndMeasuring, Saving
from lookahead_ray.trial.measurement import Measurement
from lookahead_ray.trial.measuring import Measuring
from lookahead_ray.trial.merging import Merger
from lookahead_ray.trial.model_export import check_directory, write_model
from lookahead_ray.trial.out_of_memory import run_in_memory
from lookahead_ray.trial.progress import Decide, OnProgress
from lookahead_ray.trial.reporter import ProgressReporter
from lookahead_ray.trial.seed_model import check_alike, kl_reference, tokenizer_of


def run_worker(
    config: TrialConfig,
    trains: bool,
    send: OnProgress,
    saving: Saving | None = None,
    decide: Decide = lambda signal: True,
    checkpoints: Checkpoints | None = None,
    quota: CallQuota | None = None,
    choose_share: ChooseShare | None = None,
    end_measuring: EndMeasuring | None = None,
) -> Measurement | None:
    """Run one trial on this rank; needs an initialised process group. Only rank 0 returns the measurement.

    If the merge has several shares, they are measured one after the other (`Measurement.further`).

    Args:
        trains: whether the model is trained; if not, the seed model is measured.
        send: called with the progress; only rank 0's is shown.
        saving: if set, rank 0 writes the trained model before it is measured; the merge must have one share.
            The measured model is the one that is or would be written: adapters are merged, unless only they
            are to be written.
        checkpoints: training resumes from the last one there, if it is of this configuration.
        choose_share: the rule by which shares are chosen, if the merge has the share `auto`.
        end_measuring: the rule by which a trained model's prompts may end early; None asks all.
        quota: counts the calls of paid judges in the whole run; None: the limits hold for this trial.
        decide: called by rank 0 after each epoch; if it returns False, training stops and the trial is not
            evaluated.

    Raises:
        LookaheadRayError: data or model can't be used, or the trial ran out of memory.
        FloatingPointError: training diverged, or a score or the KL divergence is not finite.
    """
    reporter = ProgressReporter(send)

    def run() -> Measurement | None:
        rules = (choose_share, end_measuring)
        return _run(config, trains, reporter, saving, decide, checkpoints, quota, *rules)

    return run_in_memory(run, config, lambda: reporter.progress.phase)


def _run(
    config: TrialConfig,
    trains: bool,
    reporter: ProgressReporter,
    saving: Saving | None,
    decide: Decide,
    checkpoints: Checkpoints | None,
    quota: CallQuota | None,
    choose_share: ChooseShare | None,
    end_measuring: EndMeasuring | None,
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
    else:
        signals.measure(model, ())
    stopped = len(trained.steps) < reporter.total_steps
    hashes = [task.data_hash, *evaluation.data_hashes, *(asdict(example) for example in mixed)]
    is_auto, shares = config.merge.share == "auto", config.merge.shares
    if stopped or is_auto or not trains:
        shares = shares[:1]
    chooses = choose_share if trains and is_auto and not stopped else None
    measuring = Measuring(
        config,
        evaluation,
        seed,
        signals,
        reporter,
        content_hash(hashes),
        models=len(shares) if chooses is None else 1,
        changed=saving is not None,
        end_measuring=end_measuring if trains else None,
    )
    merger = Merger(trained, config, reporter.of("saving")) if trains else None
    measured: list[Measurement | None] = []
    share: float | None = shares[0]
    while share is not None:
        index = len(measured)
        is_last = chooses is None and index == len(shares) - 1
        point = merger.merge(share, is_last) if merger else trained
        model = point.model
        if not (saving and saving.adapter):
            if trains and config.training.lora:
                reporter.report("saving", "merging the adapter")
            model = merge_adapters(model)  # measures the model as it will be used, and generates faster
        if trains and saving:
            reporter.report("saving", "writing the model")
            if rank == 0:
                write_model(model, tokenizer, saving)
        found = measuring.measure(replace(point, model=model), index, stopped)
        measured.append(found and replace(found, merge_share=share if len(config.merge.shares) > 1 else None))
        share = _next_share(chooses, measured) if chooses else None if is_last else shares[index + 1]
    first, *further = measured
    return first and replace(first, further=tuple(one for one in further if one))


def _next_share(rule: ChooseShare, measured: Sequence[Measurement | None]) -> float | None:
    """Return the share that rank 0 chooses, on all ranks; only it has the measurements."""
    known = [(one.merge_share, one.generations) for one in measured if one and one.merge_share is not None]
    return gather_everywhere(rule.next_share(known) if known else None)[0]
