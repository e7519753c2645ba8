"""A trial against the machine of its ranks: memory, and what DeepSpeed compiles there."""

from collections.abc import Iterator
from contextlib import suppress

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import ConfigError, ModelError
from lookahead_ray.hardware.node import Node
from lookahead_ray.model.outline import outline_model
from lookahead_ray.sweep.checks.memory import check_memory
from lookahead_ray.train.shared_memory_op import check_operation


def check_machine(
    config: TrialConfig, node: Node, is_local: bool, trains: bool = True, source: str = ""
) -> Iterator[str]:
    """Yield lines for the user about a trial, in which `auto` is replaced by values, on `node`.

    Args:
        is_local: whether `node` is this machine; a cluster's other machines are not searched for a compiler.
        source: file of the space, for messages.

    Raises:
        ConfigError: the trial can't run there.
    """
    prefix = f"{source}: " * bool(source)
    try:
        if trains and not config.resources.gpus_per_worker:
            if config.training.liger:
                raise ConfigError("training.liger: must be false without GPUs, got true")
            if is_local:
                check_operation()
        with suppress(ModelError):  # the model is on the cluster or the hub only, which `preflight` reports
            if line := check_memory(config, outline_model(config.model), node, trains):
                yield line
    except ConfigError as error:
        raise ConfigError(f"{prefix}{error}") from error
