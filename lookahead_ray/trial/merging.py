"""The merge of a trial: the trained weights are moved back before they are evaluated and written.

Several shares are measured one after the other. Each starts from the trained weights, of which rank 0 keeps a
copy for that: so each merged model has the same weights as in a trial with that share alone.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.hardware.precision import torch_dtype
from lookahead_ray.merge.registry import MERGES
from lookahead_ray.merge.weights import adapted_layers
from lookahead_ray.method.reporting import Report
from lookahead_ray.method.seed_weights import LazySeedWeights, SeedWeights
from lookahead_ray.trial.fine_tuning import TrainedModel
from lookahead_ray.trial.finishing import take_over_weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def merge_each_share(trained: TrainedModel, config: TrialConfig, report: Report) -> Iterator[TrainedModel]:
    """Yield the model merged with each share of `config`, in the order of `config.points`, in place.

    All ranks must call this together. Rank 0 computes, so that one copy of the seed model and, for several
    shares, one of the trained weights are enough; the others take over its weights. Nothing is loaded,
    computed or sent if all of the change is kept. Between two yields the caller may merge adapters, if any,
    into the weights (`merge_adapters`), but change nothing else.

    The first model has the figures of the training. In the others they are 0 or empty, so that sums over all
    count it once; `seconds` is the time of their own merge.

    Raises:
        ModelError: a model whose weights the merge reads can't be used.
    """
    points = config.points
    kept = KeptWeights(trained.model) if len(points) > 1 else None
    seed_weights = LazySeedWeights(config.model, torch_dtype(config.training.precision))
    for index, point in enumerate(points):
        if index and kept:
            kept.restore(is_last=index == len(points) - 1)
        found = trained
        if index:  # without the figures of the training
            found = TrainedModel(trained.model, trained.zero_stage, finished=True)
        if point.merge.changes_weights:
            which = f" ({index + 1} of {len(points)})" if len(points) > 1 else ""
            report(f"merging the trained and the seed model, share {point.merge.kept:.3g}{which}", 0, 0)
            found = _merge(found, point, seed_weights)
        if index == len(points) - 1:
            seed_weights.release()
        yield found


class KeptWeights:
    """A copy of the trained weights in rank 0's memory, for merges with several shares after one training."""

    def __init__(self, model: "PreTrainedModel") -> None:
        """Copy the weights; all ranks must call this before adapters are merged into the model."""
        self._model: Any = model
        self._layers = adapted_layers(model)
        self._weights: dict[str, torch.Tensor] = {}
        if dist.get_rank() == 0:
            named = model.named_parameters()
            self._weights = {name: weight.detach().to("cpu", copy=True) for name, weight in named}

    @torch.no_grad()
    def restore(self, is_last: bool) -> None:
        """Make the model as it was, with its adapters; on other ranks than 0 their weights stay as they are.

        The copy is released if this call `is_last`.
        """
        for name, layer in self._layers.items():
            parent, _, leaf = name.rpartition(".")
            setattr(self._model.get_base_model().get_submodule(parent), leaf, layer)
            layer.merged_adapters.clear()
        if self._weights:
            for name, weight in self._model.named_parameters():
                weight.copy_(self._weights[name])
        if is_last:
            self._weights, self._layers = {}, {}


def _merge(trained: TrainedModel, config: TrialConfig, seed_weights: SeedWeights) -> TrainedModel:
    """Apply the merge of `config`, which has one share; return `trained` with its counts and its time."""
    start = time.perf_counter()
    counts: dict[str, int] = {}
    if dist.get_rank() == 0:
        counts.update(MERGES[config.merge.name].move(trained.model, seed_weights, config.merge))
    take_over_weights(trained.model)
    return replace(
        trained,
        preparation={**trained.preparation, **counts},
        seconds=trained.seconds + time.perf_counter() - start,
        finished=True,
    )
