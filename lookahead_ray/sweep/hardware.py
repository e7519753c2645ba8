"""Hardware of a sweep: measures the machines of its ranks and replaces `auto` by values."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import yaml

from lookahead_ray.config.auto import HardwareValues
from lookahead_ray.config.dimension import Choice, corners
from lookahead_ray.config.load import Sweep
from lookahead_ray.config.trial import Resources, TrialConfig
from lookahead_ray.errors import ConfigError, ModelError
from lookahead_ray.hardware.choice import (
    Capacity,
    choose_placement,
    choose_precision,
    describe_cost,
)
from lookahead_ray.hardware.node import Node, describe_local_node, describe_this_node
from lookahead_ray.hardware.precision import Precision
from lookahead_ray.hardware.temporary import describe_shared_memory
from lookahead_ray.model.outline import outline_model
from lookahead_ray.sweep.checks.machine import check_machine
from lookahead_ray.sweep.checks.memory import count_fitting_ranks
from lookahead_ray.sweep.cluster import (
    cluster,
    cluster_address,
    cluster_capacity,
    description,
    max_cluster_resources,
    worker_types,
)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A sweep without `auto`, and lines for the user that explain the choices."""

    sweep: Sweep
    lines: tuple[str, ...]

    def on(self, nodes: Sequence[Node], is_local: bool) -> "Fitted":
        """Return this with lines about one trial on the first of `nodes`. Raises as `check_machine`."""
        if not nodes:
            return self
        config, source = largest_trial(self.sweep), self.sweep.source
        return replace(self, lines=(*self.lines, *check_machine(config, nodes[0], is_local, source=source)))


def fit_to_hardware(
    sweep: Sweep, log: Path, say: Say, began_with: str | None = None, wait: bool = True
) -> Fitted:
    """Choose precision, ranks and GPUs for all trials of `sweep` from the machines that its ranks run on.

    These are this machine, or the cluster at `$RAY_ADDRESS`. On a cluster of different machines, bf16 is
    chosen only if all machines that are up multiply it fast.

    Args:
        log: file for messages of Ray.
        say: called with a line before a long step, such as waiting for a machine of the cluster.
        began_with: precision of the trials that the run already holds; it is kept regardless of measurements.
        wait: whether to wait for a machine if the cluster has none now.

    Raises:
        ConfigError: a trial needs more resources than can exist, or another precision than `began_with`.
    """
    if cluster_address() is None:
        node = describe_local_node()
        fitted = _fit(sweep, Capacity.of_node(node), lambda placement: [node], began_with, local=node)
        return fitted.on([node], is_local=True)
    with cluster(log):
        return _fit(
            sweep, cluster_capacity(), lambda placement: _probe_cluster(placement, say, wait), began_with
        )


def look_at_hardware(sweep: Sweep, cluster_file: str | None = None) -> Fitted:
    """Choose as `fit_to_hardware`, without waiting for machines, or check against a file for `ray up`.

    Raises:
        ConfigError: as in `fit_to_hardware`, or `cluster_file` can't be read.
    """
    if cluster_file is None:
        return fit_to_hardware(sweep, Path(os.devnull), lambda line: None, wait=False)
    try:
        described = description(Path(cluster_file))
    except (OSError, ValueError, yaml.YAMLError):
        described = {}
    if not described:
        raise ConfigError(f"--cluster: must be a YAML file for `ray up`, got {cluster_file}")
    machines = worker_types(described)
    if not machines or not all(machines):
        line = f"runs on {cluster_file}, not checked, because it does not list its machines' resources"
        return Fitted(sweep, (line,))
    capacity = Capacity.of_machines(cluster_file, max_cluster_resources({}, described), machines)
    return _fit(sweep, capacity, lambda placement: (), None)


def _fit(
    sweep: Sweep,
    capacity: Capacity,
    probe: Callable[[Resources], Sequence[Node]],
    began_with: str | None,
    local: Node | None = None,
) -> Fitted:
    for tree in corners(sweep.template):
        choose_placement(TrialConfig.model_validate(tree), capacity, sweep.source)
    reference = sweep.reference()
    placement = choose_placement(reference, capacity, sweep.source)
    on_gpu = placement.gpus_per_worker > 0
    unused = None
    if not on_gpu and capacity.gpus >= 1:
        unused = (
            f"gpus_per_worker: 0 as set, so all trials run on CPU cores and leave {capacity.gpus:g} GPUs of "
            f"{capacity.where} unused; omit it to use them"
        )
    configured = reference.training.precision
    decided = configured == "fp32" or (configured == "auto" and began_with is not None)
    nodes = () if decided else probe(placement)
    lines = [unused] if unused else []
    precision: Precision
    if configured != "auto":
        precision, reason = configured, "as set in the configuration"
        cost = describe_cost(nodes, on_gpu) if configured == "bf16" and nodes else None
        lines += [cost] if cost else []
    elif began_with is not None:
        precision, reason = cast(Precision, began_with), "as in this run's earlier trials"
    elif nodes:
        precision, reason = choose_precision(nodes, on_gpu)
    else:
        values = _values("fp32", placement)
        when = "precision is chosen on those machines when the sweep starts"
        line = f"runs on {placement} of {capacity.where}; {when}"
        return Fitted(replace(sweep, hardware=values), (line, *lines))
    if began_with is not None and precision != began_with and not _is_searched(sweep):
        rule = f"must stay {began_with}, the precision of this run's earlier trials, got {precision}"
        raise ConfigError(
            f"{sweep.source}: training.precision: {rule}; use another --run, or omit training.precision"
        )
    values = _values(precision, placement)
    if local is not None and not on_gpu:
        values, held = _fit_to_memory(values, largest_trial(sweep), local)
        values = _use_idle_cores(values, reference, local, sweep.search.max_concurrent)
        placement = placement._replace(workers=values.workers, cpus_per_worker=values.cpus_per_worker)
        lines += [held] if held else []
    line = f"runs on {placement} of {capacity.where}, {precision}: {reason}"
    if cluster_address() is None and (shared := describe_shared_memory()):
        lines.append(shared)
    return Fitted(replace(sweep, hardware=values), (line, *lines))


def largest_trial(sweep: Sweep) -> TrialConfig:
    """Return vanilla with the merge of the space that needs the most memory, which vanilla itself lacks."""
    from lookahead_ray.train.memory import count_copies  # imports torch

    reference = sweep.reference()
    merges = [TrialConfig.model_validate(tree).merge for tree in corners(sweep.template)]
    merged = [reference.model_copy(update={"merge": merge}) for merge in merges]
    return max([reference, *merged], key=count_copies)


def _values(precision: Precision, placement: Resources) -> HardwareValues:
    return HardwareValues(
        precision, placement.workers, placement.gpus_per_worker, cpus_per_worker=placement.cpus_per_worker
    )


def _fit_to_memory(
    values: HardwareValues, reference: TrialConfig, node: Node
) -> tuple[HardwareValues, str | None]:
    """Return `values` with fewer ranks, and fewer trials at once, where memory holds fewer than the cores.

    The second value says so in one line. `workers` is lowered only if the configuration says `auto`; without
    an estimate, as for a model that can't be read here, nothing changes.
    """
    fewest = 1 if reference.workers == "auto" else values.workers
    try:
        outline = outline_model(reference.model)
        for workers in range(values.workers, fewest - 1, -1):
            fitted = replace(values, workers=workers)
            found = count_fitting_ranks(fitted.fill(reference), outline, node)
            if found is None:
                return values, None
            fits = found
            if fits >= workers or workers == fewest:
                break
    except (ModelError, ConfigError):  # `check_machine` and `preflight` report them
        return values, None
    by_cores = max(1, int(node.cores // (workers * values.cpus_per_worker)))
    at_once = max(1, fits // workers)
    parts = []
    if workers < values.workers:
        parts.append(f"{workers} of {values.workers} possible ranks")
    if at_once < by_cores:
        fitted = replace(fitted, trials_at_once=at_once)
        parts.append(f"{at_once} of {by_cores} possible trials at a time")
    return fitted, f"memory holds {' and '.join(parts)}" if parts else None


def _use_idle_cores(
    values: HardwareValues, reference: TrialConfig, node: Node, max_concurrent: int | None
) -> HardwareValues:
    """Return `values` with whole cores shared out among the ranks that run at a time, if they are `auto`."""
    if reference.cpus_per_worker != "auto":
        return values
    by_cores = max(1, int(node.cores // values.workers))
    at_once = min(by_cores, values.trials_at_once or by_cores, max_concurrent or by_cores)
    return replace(values, cpus_per_worker=float(max(1, int(node.cores // (values.workers * at_once)))))


def _is_searched(sweep: Sweep) -> bool:
    return any(
        dimension.name == "training.precision"
        or (isinstance(dimension, Choice) and dimension.name == "training")
        for dimension in sweep.dimensions
    )


def _probe_cluster(placement: Resources, say: Say, wait: bool) -> list[Node]:
    """Measure each machine of the cluster that can hold a rank; if none can, wait for the first."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    needed = {"CPU": placement.cpus_per_worker, "GPU": placement.gpus_per_worker}
    fitting = [
        node["NodeID"]
        for node in ray.nodes()  # type: ignore[no-untyped-call]  # Ray lacks its annotation
        if node["Alive"]
        and all(node["Resources"].get(name, 0) >= amount for name, amount in needed.items() if amount)
    ]
    measure = ray.remote(max_retries=2)(describe_this_node)
    # no cores are requested, so that a busy machine is measured while it runs other work
    share = 0.01 if placement.gpus_per_worker else 0
    tasks = [
        measure.options(
            num_cpus=0, num_gpus=share, scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
        ).remote()
        for node in fitting
    ]
    if not tasks and wait:
        say("waiting for a cluster machine, to choose the precision")
        tasks = [
            measure.options(num_cpus=placement.cpus_per_worker, num_gpus=placement.gpus_per_worker).remote()
        ]
    nodes: list[Node] = ray.get(tasks)
    for node in nodes:
        logging.getLogger(__name__).info("measured %s", node)
    return nodes
