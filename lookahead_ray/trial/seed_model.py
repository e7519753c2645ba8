"""Data that all trials of a seed model share, cached in a process from one trial to the next."""

from socket import gethostname
from typing import TYPE_CHECKING

from lookahead_ray.config.load import content_hash
from lookahead_ray.config.model import ModelConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import ModelError
from lookahead_ray.evaluate.early_kl import SeedDistribution
from lookahead_ray.evaluate.evaluation import Evaluation
from lookahead_ray.method.reporting import Report, quiet
from lookahead_ray.model.fingerprint import model_fingerprint
from lookahead_ray.model.load import load_tokenizer
from lookahead_ray.train.process_group import gather_everywhere

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

KL_PARTS = ("task", "safety", "evaluation", "defence")
"""Parts of a trial's configuration that affect the KL reference, besides the model and its precision."""

_kept: dict[str, SeedDistribution] = {}
_tokenizers: "dict[str, PreTrainedTokenizerBase]" = {}


def tokenizer_of(config: ModelConfig) -> "PreTrainedTokenizerBase":
    """Return `load_tokenizer(config)`; the last result is cached and must not be modified."""
    key = _seed_hash(config)
    if key not in _tokenizers:
        found = load_tokenizer(config)
        _tokenizers.clear()
        _tokenizers[key] = found
    return _tokenizers[key]


def check_alike(config: ModelConfig) -> None:
    """Check that all ranks load the same weights; all ranks must call this together.

    Raises:
        ModelError: a machine has other weights under the same path.
    """
    first, *others = gather_everywhere((_seed_hash(config), gethostname()))
    for rank, (seed, host) in enumerate(others, start=1):
        if seed != first[0]:
            raise ModelError(
                f"model.path: {config.path} is another model on {host} (rank {rank}) than on "
                f"{first[1]} (rank 0): copy the same files to both"
            )


def kl_reference(
    evaluation: Evaluation, model: "PreTrainedModel", config: TrialConfig, report: Report = quiet
) -> SeedDistribution:
    """Return `evaluation.kl.reference(model)`; the last result is cached for trials that share it.

    Args:
        model: the seed model of `config`, not yet trained.
    """
    parts = config.model_dump(mode="json", include=set(KL_PARTS))
    data = [evaluation.task.data_hash, *evaluation.data_hashes]
    here = [config.training.precision, str(model.device), evaluation.rank, evaluation.world_size]
    key = content_hash([parts, _seed_hash(config.model), data, here])
    if key not in _kept:
        found = evaluation.kl.reference(model, report)
        _kept.clear()  # it is large: a distribution over the vocabulary for each position
        _kept[key] = found
    return _kept[key]


def _seed_hash(config: ModelConfig) -> str:
    return content_hash([config.model_dump(mode="json"), model_fingerprint(config)])
