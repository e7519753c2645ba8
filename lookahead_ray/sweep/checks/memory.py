"""The estimated memory of a trial's ranks, against what their machine has."""

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import ConfigError
from lookahead_ray.hardware.node import Node
from lookahead_ray.model.outline import ModelOutline
from lookahead_ray.train.memory import GB, describe_savings, estimate_memory

USED_SHARE = 0.85  # of a machine's memory, by ranks; the rest is for Ray, the driver and caches


def check_memory(config: TrialConfig, outline: ModelOutline, node: Node, trains: bool = True) -> str | None:
    """Return in words the memory of a trial's ranks and what `node`, which holds them all, has.

    None if the machine's memory is unknown.

    Raises:
        ConfigError: the model can't fit, whatever the data.
    """
    training, found = config.training, estimate_memory(config, outline, trains)
    workers, _, gpus = config.resources
    on_gpu = gpus > 0
    ranks = max(1, int(1 / gpus)) if on_gpu else workers  # that share this memory
    has = node.gpu_memory if on_gpu else node.memory
    if has is None:
        return None
    where = f"{node.gpu_name or 'a GPU'}" if on_gpu else "this machine"
    each = f"{_gb(found.peak)} per rank"
    words = each if ranks == 1 else f"{each}, {_gb(ranks * found.peak)} for {ranks} ranks"
    if found.merging:
        words += f", and {_gb(found.merging)} for rank 0's merge" + " in its machine's memory" * on_gpu
    if ranks * found.least > has:
        advice = "take a smaller model or a larger machine"
        if trains:
            fewer = "fewer workers, " if ranks > 1 else ""
            advice = f"use {fewer}training.lora, a smaller model or a larger machine"
        needed = f"{_gb(found.least)} per rank" + (f" × {ranks} ranks" if ranks > 1 else "")
        raise ConfigError(
            f"model.path: {outline.path} must fit into the {_gb(has)} of {where}, but needs at least "
            f"{needed} ({outline.parameters / 1e6:,.0f} million weights in "
            f"{training.precision}): {advice}"
        )
    line = f"memory: up to about {words} if all rows are as long as the limits; {where} has {_gb(has)}"
    parts = [("training", found.training)] * trains + [("evaluation", found.evaluation)]
    exceeded = [(what, peak) for what, peak in parts if ranks * peak > has]
    for what, peak in exceeded:
        savings = describe_savings(config, outline, trains=what == "training")
        line += f"; {what} may take {_gb(peak)} per rank; if it runs out, set {savings}"
    if not exceeded and not on_gpu and found.of_ranks(ranks) > has:
        advice = "one share of the merge" if len(config.merge.shares) > 1 else "fewer workers"
        line += f"; with the merge it may take {_gb(found.of_ranks(ranks))}; if it runs out, set {advice}"
    return line


def count_fitting_ranks(config: TrialConfig, outline: ModelOutline, node: Node) -> int | None:
    """Return how many CPU ranks of `config`, at their peak, the memory of `node` holds; None if unknown.

    The copies of a trial's rank 0 are shared out among its ranks.
    """
    if node.memory is None:
        return None
    workers = config.resources.workers
    return int(USED_SHARE * node.memory * workers // estimate_memory(config, outline).of_ranks(workers))


def _gb(amount: float) -> str:
    return f"{amount / GB:,.1f} GB"
