"""Estimated memory of a rank, against what its machine has.

Training holds the weights, and for each trained weight an fp32 copy and two moments, which ZeRO 1 and 2 share
among the ranks; the optimiser's step also holds gradients in three forms. Activations are those of a
Llama-like layer. Evaluation holds the weights and the keys and values of one batch.
"""

from dataclasses import dataclass
from typing import Any

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import ConfigError
from lookahead_ray.hardware.node import Node
from lookahead_ray.model.outline import ModelOutline
from lookahead_ray.sweep.checks.lora import count_trained

GB = 1e9
PROCESS_BYTES = 0.6e9  # of a Python process with PyTorch, on CPUs
PROMPT_TOKENS = 256  # of a prompt in evaluation, about
STATE_BYTES = 12  # of the optimiser for each trained weight: an fp32 copy and two moments
USED_SHARE = 0.85  # of a machine's memory, by ranks; the rest is for Ray, the driver and caches
STEP_BYTES = 8  # of gradients for each trained weight, during the optimiser's step


@dataclass(frozen=True, slots=True)
class RankMemory:
    """Bytes that one rank needs: `least` in any case, `peak` at the most expensive moment, about."""

    weights: float
    least: float
    peak: float


def estimate_memory(config: TrialConfig, outline: ModelOutline, trains: bool = True) -> RankMemory:
    """Estimate the memory of one rank of `config`, in which `auto` is replaced by values."""
    training, workers = config.training, config.resources.workers
    size = 4 if training.precision == "fp32" else 2
    process = 0 if config.resources.gpus_per_worker else PROCESS_BYTES
    weights = size * outline.parameters + process
    shape = _Shape.of(outline)
    longest = max(config.evaluation.safety_limit(decides=True), config.evaluation.task_new_tokens)
    cached = config.evaluation.batch_size * (PROMPT_TOKENS + longest) * size * shape.cached_numbers
    if not trains:
        return RankMemory(weights, weights, weights + cached)
    trained = count_trained(config, outline)
    shares = workers if training.zero_stage else 1
    least = weights + STATE_BYTES * trained / shares
    gradients = STEP_BYTES * trained / shares + (0 if training.zero_stage == 2 else size * trained)
    tokens = training.micro_batch_tokens or training.micro_batch_size * training.max_length
    kept = shape.checkpointed_numbers if training.gradient_checkpointing else shape.kept_numbers
    activations = tokens * (size * kept + 4 * shape.vocabulary)
    return RankMemory(weights, least, max(least + max(gradients, activations), weights + cached))


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
    if ranks * found.peak > has:
        fields = "training.micro_batch_size, training.max_length or evaluation.batch_size"
        line += f"; if it runs out, lower {fields if trains else 'evaluation.batch_size'}"
    return line


def count_fitting_ranks(config: TrialConfig, outline: ModelOutline, node: Node) -> int | None:
    """Return how many CPU ranks of `config`, at their peak, the memory of `node` holds; None if unknown."""
    if node.memory is None:
        return None
    return int(USED_SHARE * node.memory // estimate_memory(config, outline).peak)


@dataclass(frozen=True, slots=True)
class _Shape:
    """Sizes of a model that decide what its activations take, in numbers per token."""

    vocabulary: int
    kept_numbers: int  # in training, for the backward pass
    checkpointed_numbers: int  # with gradient checkpointing
    cached_numbers: int  # keys and values

    @classmethod
    def of(cls, outline: ModelOutline) -> "_Shape":
        config = outline.model.config.get_text_config()
        hidden = _number(config, "hidden_size", 0)
        layers, heads = _number(config, "num_hidden_layers", 0), _number(config, "num_attention_heads", 1)
        inner = _number(config, "intermediate_size", 4 * hidden)
        head_size = _number(config, "head_dim", hidden // max(1, heads))
        cached = 2 * head_size * _number(config, "num_key_value_heads", heads)
        layer = 10 * hidden + 2 * cached + 4 * inner
        return cls(outline.embedding_rows, layers * layer, layers * hidden + layer, layers * cached)


def _number(config: Any, name: str, otherwise: int) -> int:
    value = getattr(config, name, None)
    if isinstance(value, list | tuple):
        value = max((each for each in value if isinstance(each, int)), default=None)
    return value if isinstance(value, int) and value > 0 else otherwise


def _gb(amount: float) -> str:
    return f"{amount / GB:,.1f} GB"
