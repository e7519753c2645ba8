"""What the seed model says before training, kept by a process from one trial of a sweep to the next."""

from typing import Any

from lookahead_ray.config.load import content_hash
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.evaluate.passes import Evaluation, KlReference
from lookahead_ray.model.fingerprint import fingerprint

ASKED_BY = ("task", "safety", "evaluation", "defence")
"""Parts of a trial's configuration that decide what is asked, besides the model and its precision."""

_kept: dict[str, KlReference] = {}


def kl_reference(evaluation: Evaluation, model: Any, config: TrialConfig) -> KlReference:
    """`evaluation.kl_reference(model)`; the last one is kept for trials that would get the same.

    Args:
        model: the seed model of `config`, not yet trained.
    """
    asked = config.model_dump(mode="json", include=set(ASKED_BY))
    seed = [config.model.model_dump(mode="json"), fingerprint(config.model.path, config.model.revision)]
    data = [evaluation.task.data_hash, *evaluation.data_hashes]
    here = [config.training.precision, str(model.device), evaluation.rank, evaluation.world_size]
    key = content_hash([asked, seed, data, here])
    if key not in _kept:
        found = evaluation.kl_reference(model)
        _kept.clear()  # it is large: a distribution over the vocabulary for each position
        _kept[key] = found
    return _kept[key]
