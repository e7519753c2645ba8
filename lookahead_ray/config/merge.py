"""Merges: they move the trained weights back towards the seed model's, after training, before evaluation.

Merges combine freely with methods, previews and defences. With the seed model's weights W0 and the trained
ones W1, a weight that is moved becomes W0 + `share` · (W1 − W0).
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from lookahead_ray.config.base import Config
from lookahead_ray.config.variants import Extensible


class MergeBase(Config):
    """Base class of all merges; every merge with a share of 1 is no merge."""

    share: float = Field(ge=0, le=1)
    """Share of the change by training that is kept: 1 is the trained model, 0 the seed model."""

    @property
    def changes_weights(self) -> bool:
        """Return whether the trained weights are changed at all."""
        return self.share < 1


class LinearMerge(MergeBase):
    """The same share for all weights (Farn et al., arXiv 2412.19512)."""

    name: Literal["linear"] = "linear"

    share: float = Field(1.0, ge=0, le=1)
    """Share of the change by training that is kept: 1 is the trained model, 0 the seed model."""


class LayersMerge(MergeBase):
    """The share in linear layers that changed in other directions than the alignment; all else is as trained.

    The criterion is SafeMERGE's (arXiv 2503.17239), which takes its subspace from Safe LoRA (arXiv
    2405.16833). Let D be a layer's change by training, and V its change by alignment: its weights in the seed
    model minus those in `base_path`. The layer is moved back if the cosine similarity of D and V Vᵀ D is
    below `threshold`; it is 0 for a layer that the alignment did not change. SafeMERGE mixes such layers with
    those of a model tuned for safety, whose place the seed model takes here. Embeddings, the output layer,
    norms and biases stay as trained.
    """

    name: Literal["layers"]

    share: float = Field(ge=0, le=1)
    """Share of the change by training that is kept in the layers that are moved back."""

    threshold: float = Field(0.7, ge=0, le=1)
    """Cosine below which a layer is moved back: 0 moves none, 1 nearly all."""

    base_path: str = Field(min_length=1)
    """The model from which the seed model was aligned, in any form of `model.path`: for the embedded model
    `embedded-unaligned`, for Llama-2-7B-Chat `meta-llama/Llama-2-7b-hf`."""

    base_revision: str | None = None
    """Hub revision of `base_path`; null uses the hub's default."""


def _linear_by_default(value: Any) -> Any:
    """Default a mapping's `name` to the linear merge, so that only its share needs to be set."""
    return {"name": "linear", **value} if isinstance(value, dict) and "name" not in value else value


def _one_form_of_none(config: MergeBase) -> MergeBase:
    """Return the default for whatever changes nothing, so that equal trials have equal configurations."""
    return config if config.changes_weights else LinearMerge()


def is_no_merge(config: MergeBase) -> bool:
    """Return whether the trained weights stay as they are, which configurations don't mention as JSON."""
    return not config.changes_weights


MergeConfig = Annotated[
    LinearMerge | LayersMerge,
    Field(discriminator="name"),
    Extensible("lookahead_ray.merge.registry:MERGES"),
    BeforeValidator(_linear_by_default),
    AfterValidator(_one_form_of_none),
]
