"""Evaluation of a model as it is: in this process on one device, or by a worker group on several GPUs."""

import time
from collections.abc import Callable
from pathlib import Path

from lookahead_ray import log_capture
from lookahead_ray.config.load import trial_json
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import TrialError
from lookahead_ray.hardware.choice import Capacity, choose_placement, choose_precision
from lookahead_ray.hardware.node import Node, describe_local_node
from lookahead_ray.sweep.checks.machine import check_machine
from lookahead_ray.sweep.run_one import run_alone
from lookahead_ray.train.process_group import single_process_group
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.lines import ProgressLines
from lookahead_ray.trial.record import TrialRecord, completed_record, utc_now
from lookahead_ray.trial.worker import run_worker

Report = Callable[[str], None]


def evaluate_model(
    config: TrialConfig, sweep_id: str, trial_id: str, log: Path, report: Report, describes: bool = True
) -> TrialRecord:
    """Measure the seed model of `config` on its suites and task, on this machine, without training.

    With `workers: auto` each GPU answers its share of the prompts. Without GPUs one process uses all cores.

    Args:
        describes: whether to report the machine and the memory before the progress.

    Raises:
        ConfigError: `config` needs GPUs that this machine does not have.
        LookaheadRayError: the data or the model can't be used.
    """
    node = describe_local_node()
    config, reason = resolve_for_evaluation(config, node)
    workers, cores, gpus = config.resources
    where = f"runs on {workers} × {f'{gpus:g} GPU' if gpus else f'{cores:g} CPU cores'}, {reason}"
    lines = [where, *check_machine(config, node, is_local=True, trains=False)]
    for line in lines if describes else ():
        report(line)
    show = ProgressLines(report).show
    job = Job(trial_id, "evaluate", trial_json(config), {}, config.model.path)
    if workers > 1:
        record = run_alone(job, sweep_id, log, show)
        if record.status == "failed":
            raise TrialError(record.error or "no error text")
        return record
    start, started_at = time.monotonic(), utc_now()
    with log_capture.into(log), single_process_group():
        measured = run_worker(config, trains=False, send=show)
    assert measured  # this process is rank 0
    return completed_record(job, sweep_id, started_at, time.monotonic() - start, measured)


def resolve_for_evaluation(config: TrialConfig, node: Node) -> tuple[TrialConfig, str]:
    """Return `config` with values for `node` in place of `auto`, and its precision with the reason."""
    placement = choose_placement(config.model_copy(update={"workers": 1}), Capacity.of_node(node))
    gpus = placement.gpus_per_worker
    if not gpus:
        ranks = {"workers": 1, "cpus_per_worker": float(node.cores)}
    elif config.workers == "auto":
        ranks = {"workers": max(1, int(node.gpus // gpus))}
    else:
        ranks = {"workers": choose_placement(config, Capacity.of_node(node)).workers}
    training = config.training
    reason = "as set in the configuration"
    if training.precision == "auto":
        precision, reason = choose_precision([node], gpus > 0)
        training = training.model_copy(update={"precision": precision})
    resolved = config.model_copy(update={"training": training, "gpus_per_worker": gpus, **ranks})
    return resolved, f"{training.precision}: {reason}"
