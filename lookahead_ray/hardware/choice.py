"""From `auto` in a configuration to numbers: precision, ranks, and GPUs of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lookahead_ray.config.trial import Resources, TrialConfig
from lookahead_ray.errors import ConfigError
from lookahead_ray.hardware.node import Node
from lookahead_ray.hardware.precision import Precision


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one trial can have at most.

    Attributes:
        where: such as `this machine`, for messages.
        cpus: cores, on all machines together.
        gpus: GPUs, on all machines together.
        cpus_of_one: cores of the largest machine.
        gpus_of_one: GPUs of the machine that has most.
    """

    where: str
    cpus: float
    gpus: float
    cpus_of_one: float
    gpus_of_one: float

    @classmethod
    def of_node(cls, node: Node) -> "Capacity":
        """Return what this machine alone offers."""
        return cls("this machine", node.cores, node.gpus, node.cores, node.gpus)

    @classmethod
    def of_machines(
        cls, where: str, total: Mapping[str, float], machines: Sequence[Mapping[str, float]]
    ) -> "Capacity":
        """Return what a cluster offers: Ray's resources in `total`, and those of each of its machines."""
        most = {name: max((each.get(name, 0.0) for each in machines), default=0.0) for name in ("CPU", "GPU")}
        return cls(where, total.get("CPU", 0.0), total.get("GPU", 0.0), most["CPU"], most["GPU"])


def choose_placement(config: TrialConfig, capacity: Capacity, source: str = "") -> Resources:
    """Choose ranks and GPUs of a trial where its configuration says `auto`, and check what it says.

    With GPUs each rank gets one, without it gets cores. There is one rank for each micro-batch of
    `training.batch_size`, or fewer: as many as one machine holds.

    Raises:
        ConfigError: the trial asks for more than `capacity`, or for GPUs where there are none.
    """
    prefix = f"{source}: " * bool(source)
    cpus = 1.0 if config.cpus_per_worker == "auto" else config.cpus_per_worker
    gpus = config.gpus_per_worker
    if gpus == "auto":
        gpus = 1.0 if capacity.gpus >= 1 else 0.0
    if gpus and not capacity.gpus:
        raise ConfigError(
            f"{prefix}gpus_per_worker: {capacity.where} has no GPU that PyTorch can use, got {gpus:g}; "
            "leave it out (auto) to take what is there, or set it to 0 to train on CPU cores"
        )
    training = config.training
    if config.workers == "auto":
        micro_batches = training.micro_batches
        fitting = capacity.gpus_of_one // gpus if gpus else capacity.cpus_of_one // cpus
        workers = max(1, min(micro_batches, int(fitting)))
    else:
        workers = config.workers
    for field, each, most, noun in (
        ("gpus_per_worker", gpus, capacity.gpus, "GPUs"),
        ("cpus_per_worker", cpus, capacity.cpus, "cores"),
    ):
        if workers * each > most:
            raise ConfigError(
                f"{prefix}workers: {workers} × {field} {each:g} must fit into {capacity.where}'s {most:g} "
                f"{noun}, got {workers * each:g}"
            )
    return Resources(workers, cpus, gpus)


def choose_precision(nodes: Sequence[Node], on_gpu: bool) -> tuple[Precision, str]:
    """Choose what all nodes multiply fast, with the reason in words."""
    speeds = [node.matmul(on_gpu) for node in nodes]
    slow = next((index for index, speed in enumerate(speeds) if speed.precision == "fp32"), None)
    if slow is None:
        return "bf16", speeds[0].reason()
    where = f" ({nodes[slow].host})" if len(nodes) > 1 else ""
    return "fp32", f"{speeds[slow].reason()}{where}"


def describe_cost(nodes: Sequence[Node], on_gpu: bool) -> str | None:
    """Return one line on what bf16 costs where a configuration asks for it and the hardware is slow at it."""
    slow = [node for node in nodes if node.matmul(on_gpu).precision == "fp32"]
    if not slow:
        return None
    reason = slow[0].matmul(on_gpu).reason()
    return f"training.precision: bf16 as asked for, but {reason}; `auto` would take fp32"
