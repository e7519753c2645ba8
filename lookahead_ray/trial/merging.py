"""The merge of a trial: the trained weights are moved back before they are evaluated and written."""

import time
from dataclasses import replace

import torch.distributed as dist

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.hardware.precision import torch_dtype
from lookahead_ray.merge.registry import MERGES
from lookahead_ray.method.reporting import Report
from lookahead_ray.method.seed_weights import LazySeedWeights
from lookahead_ray.trial.fine_tuning import TrainedModel
from lookahead_ray.trial.finishing import take_over_weights


def merge_with_seed(trained: TrainedModel, config: TrialConfig, report: Report) -> TrainedModel:
    """Apply the merge of `config` in place; return `trained` with its counts and its time.

    All ranks must call this together. Rank 0 computes, so that one copy of the seed model is enough; the
    others take over its weights. Nothing is loaded, computed or sent if all of the change is kept.

    Raises:
        ModelError: a model whose weights the merge reads can't be used.
    """
    if not config.merge.changes_weights:
        return trained
    start = time.perf_counter()
    report(f"merging the trained and the seed model, share {config.merge.share:.3g}", 0, 0)
    counts: dict[str, int] = {}
    if dist.get_rank() == 0:
        seed_weights = LazySeedWeights(config.model, torch_dtype(config.training.precision))
        counts.update(MERGES[config.merge.name].move(trained.model, seed_weights, config.merge))
    take_over_weights(trained.model)
    return replace(
        trained,
        preparation={**trained.preparation, **counts},
        seconds=trained.seconds + time.perf_counter() - start,
        finished=True,
    )
