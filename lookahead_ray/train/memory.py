"""Estimated memory of a rank, and what other settings would save.

With P weights of which T are trained, N ranks and B bytes for a weight, DeepSpeed holds (0.19.8, AdamW)

    at rest              B·P + 12·T/N                  fp32 copies and two moments; without ZeRO N is 1
    in the optimiser's step, more than at rest:
      bf16, ZeRO 2       4·T/N                         gradients accumulated in fp32
      bf16, ZeRO 1       8·T/N                         in bf16, copied flat, copied to fp32
      bf16, ZeRO 0       6·T                           in bf16, copied to fp32
      fp32, ZeRO 1 or 2  8·T/N                         copied flat
      fp32, ZeRO 0       8·T                           sent in parts; at rest 8·T, without copies
      fp32, one rank     4·T                           all weights: nothing sent; at rest 8·T, as without ZeRO
    in the backward pass, more than at rest, besides activations and two buckets of gradients:
      ZeRO 2             4·T/N, in fp32 8·T/N
      ZeRO 0 or 1        B·T                           without buckets for one rank in fp32

Activations are those of a Llama-like layer. Evaluation holds the weights and one batch's keys and values; an
engine of vLLM holds the weights once more and its own cache, on CPUs in training too.

For a merge rank 0 holds, in its machine's memory, the seed model's weights, unless only adapters are scaled,
and those of another model that the merge reads. For several shares it keeps, until the last one is merged,
the seed model's weights and a copy of the trained ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

from lookahead_ray.config.evaluation import vllm_cache_tokens
from lookahead_ray.config.training import LoraConfig, TrainingConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.merge.registry import MERGES
from lookahead_ray.model.outline import ModelOutline
from lookahead_ray.train.engine import LARGEST_BUCKET, bucket_size, used_stage
from lookahead_ray.train.lora import adapted_weights

GB = 1e9
PROCESS_BYTES = 0.6e9  # of a Python process with PyTorch, on CPUs
PROMPT_TOKENS = 256  # of a prompt in evaluation, about
LEAST_SAVED = 0.01  # share of the peak, below which a setting is not worth a change


@dataclass(frozen=True, slots=True)
class RankMemory:
    """Bytes that one rank needs, about; the first three include the weights, and are 0 without training."""

    weights: float  # with the process itself
    rest: float  # between two steps
    backward: float  # at the end of the forward pass of the last micro-batch
    step: float  # in the optimiser's step
    evaluation: float  # weights and one batch of prompts
    merging: float = 0.0  # copies in the machine's memory during a merge, of rank 0 alone
    kept: float = 0.0  # those of them that stay while all but the last share are evaluated

    @property
    def least(self) -> float:
        """Return what is needed whatever the data is."""
        return max(self.weights, self.rest)

    @property
    def training(self) -> float:
        """Return the maximum while the model is trained."""
        return max(self.backward, self.step)

    @property
    def peak(self) -> float:
        """Return the maximum of the whole trial, without rank 0's copies for a merge."""
        return max(self.training, self.evaluation)

    def of_ranks(self, ranks: float) -> float:
        """Return the maximum of so many ranks of a trial in one memory, with the copies for a merge."""
        merging, evaluation = ranks * self.weights + self.merging, ranks * self.evaluation + self.kept
        return max(ranks * self.training, merging if self.merging else 0.0, evaluation)


def estimate_memory(config: TrialConfig, outline: ModelOutline, trains: bool = True) -> RankMemory:
    """Estimate the memory of one rank of `config`, in which `auto` is replaced by values."""
    training, shape = config.training, _Shape.of(outline)
    size = _weight_bytes(training)
    weights = size * outline.parameters + (0 if config.resources.gpus_per_worker else PROCESS_BYTES)
    longest = max(config.evaluation.safety_limit(decides=True), config.evaluation.task_new_tokens)
    cached = config.evaluation.batch_size * (PROMPT_TOKENS + longest) * size * shape.cached_numbers
    asleep = 0.0  # bytes of an engine of vLLM while the model is trained
    if config.evaluation.backend == "vllm":
        tokens = vllm_cache_tokens(outline.context, config.evaluation.batch_size)
        cached = size * (outline.parameters + tokens * shape.cached_numbers)
        asleep = 0.0 if config.resources.gpus_per_worker else cached
    if not trains:
        return RankMemory(weights, 0, 0, 0, weights + cached)
    states = _states(training, count_trained(config, outline), config.resources.workers)
    tokens = training.micro_batch_tokens or training.micro_batch_size * training.max_length
    activations = tokens * (size * shape.kept(training.gradient_checkpointing) + 4 * shape.vocabulary)
    rest = weights + states.rest + asleep
    merging, kept = count_copies(config)
    return RankMemory(
        weights=weights,
        rest=rest,
        backward=rest + states.backward + activations,
        step=rest + states.step,
        evaluation=weights + cached,
        merging=merging * size * outline.parameters,
        kept=kept * size * outline.parameters,
    )


def count_copies(config: TrialConfig) -> tuple[int, int]:
    """Return how many models' weights rank 0 holds for a merge, and how many while further shares follow."""
    merge = config.merge
    if not merge.changes_weights:
        return 0, 0
    several = len(merge.shares) > 1
    seed = config.training.lora is None
    return seed + (MERGES[merge.name].other_model is not None) + several, (seed + several) * several


def count_trained(config: TrialConfig, outline: ModelOutline) -> int:
    """Return the number of weights that are trained: all, or those of the adapters."""
    lora = config.training.lora
    if lora is None:
        return outline.parameters
    return sum(
        lora.rank * (len(weight) + weight.shape[-1]) for weight in adapted_weights(outline.model, lora)
    )


def describe_savings(config: TrialConfig, outline: ModelOutline, trains: bool) -> str:
    """Return the settings that would lower a rank's peak, each with the estimated effect, in one line.

    Args:
        trains: whether training, or else evaluation, is to be made smaller.
    """

    def peak(changed: TrialConfig) -> float:
        found = estimate_memory(changed, outline)
        return found.training if trains else found.evaluation

    before = peak(config)
    changes = _training_changes(config) if trains else _evaluation_changes(config)
    parts = [
        f"{words} (saves about {_gb(before - after)})"
        for words, changed in changes
        if before - (after := peak(changed)) > LEAST_SAVED * before
    ]
    return ", ".join(parts) or "a smaller model or a larger machine"


def _training_changes(config: TrialConfig) -> Iterator[tuple[str, TrialConfig]]:
    training, workers = config.training, config.resources.workers

    def changed(**fields: object) -> TrialConfig:
        return config.model_copy(update={"training": training.model_copy(update=fields)})

    size, tokens = training.micro_batch_size, training.micro_batch_tokens
    if tokens and tokens >= 2 * training.max_length:
        yield f"training.micro_batch_tokens: {tokens // 2}", changed(micro_batch_tokens=tokens // 2)
    if not tokens and size > 1:
        yield f"training.micro_batch_size: {size // 2}", changed(micro_batch_size=size // 2)
    if training.gradient_checkpointing is not True:
        yield "training.gradient_checkpointing: true", changed(gradient_checkpointing=True)
    if training.zero_stage < 2:
        yield "training.zero_stage: 2", changed(zero_stage=2)
    if training.lora is None:
        yield "training.lora: {rank: 16}", changed(lora=LoraConfig(rank=16))
    yield f"workers: {2 * workers}", config.model_copy(update={"workers": 2 * workers})


def _evaluation_changes(config: TrialConfig) -> Iterator[tuple[str, TrialConfig]]:
    evaluation = config.evaluation

    def changed(**fields: int) -> TrialConfig:
        return config.model_copy(update={"evaluation": evaluation.model_copy(update=fields)})

    if evaluation.batch_size > 1:
        half = evaluation.batch_size // 2
        yield f"evaluation.batch_size: {half}", changed(batch_size=half)
    if evaluation.task_new_tokens > 1:
        half = evaluation.task_new_tokens // 2
        yield f"evaluation.task_new_tokens: {half}", changed(task_new_tokens=half)


@dataclass(frozen=True, slots=True)
class _States:
    """Bytes of optimiser and gradients, the latter two besides `rest`."""

    rest: float
    backward: float
    step: float


def _states(training: TrainingConfig, trained: int, workers: int) -> _States:
    size = _weight_bytes(training)
    stage = used_stage(training, workers)
    share = trained / (workers if stage else 1)
    buckets = 2 * size * bucket_size(trained)
    half = training.precision != "fp32"
    if stage == 2:
        gradients = (4 if half else 8) * share
        return _States(12 * share, gradients + buckets, gradients)
    if stage == 1:
        return _States(12 * share, size * trained + buckets, 8 * share)
    if half:
        return _States(12 * trained, 2 * trained + buckets, 6 * trained)
    if workers == 1:  # nothing is sent
        return _States(8 * trained, 4 * trained, 4 * trained)
    return _States(8 * trained, 4 * trained + buckets, 4 * trained + 4 * min(trained, LARGEST_BUCKET))


def _weight_bytes(training: TrainingConfig) -> int:
    return 4 if training.precision == "fp32" else 2


@dataclass(frozen=True, slots=True)
class _Shape:
    """Sizes of a model that decide what its activations take, in numbers per token."""

    vocabulary: int
    layers: int
    hidden: int
    layer_numbers: int  # that a layer keeps for the backward pass
    cached_numbers: int  # keys and values

    @classmethod
    def of(cls, outline: ModelOutline) -> "_Shape":
        config = outline.model.config.get_text_config()
        hidden = _number(config, "hidden_size", 0)
        layers, heads = _number(config, "num_hidden_layers", 0), _number(config, "num_attention_heads", 1)
        inner = _number(config, "intermediate_size", 4 * hidden)
        head_size = _number(config, "head_dim", hidden // max(1, heads))
        cached = 2 * head_size * _number(config, "num_key_value_heads", heads)
        layer = 10 * hidden + cached + 4 * inner
        return cls(outline.embedding_rows, layers, hidden, layer, layers * cached)

    def kept(self, checkpointing: bool | int) -> int:
        """Return the numbers kept for a token: of checkpointed layers their input, and one whole layer."""
        recomputed = ceil(self.layers / int(checkpointing)) if checkpointing else 0
        whole = self.layers - recomputed + (recomputed > 0)
        return min(whole * self.layer_numbers + recomputed * self.hidden, self.layers * self.layer_numbers)


def _number(config: Any, name: str, otherwise: int) -> int:
    value = getattr(config, name, None)
    if isinstance(value, list | tuple):
        value = max((each for each in value if isinstance(each, int)), default=None)
    return value if isinstance(value, int) and value > 0 else otherwise


def _gb(amount: float) -> str:
    return f"{amount / GB:,.1f} GB" if amount >= GB / 10 else f"{amount / 1e6:,.0f} MB"
