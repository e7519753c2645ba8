"""Merges: they move the trained weights back towards the seed model's, after training, before evaluation.

Merges combine freely with methods, previews and defences. With the seed model's weights W0 and the trained
ones W1, a weight that is moved becomes W0 + `share` · (W1 − W0).
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag

from lookahead_ray.config.base import Auto, Config
from lookahead_ray.config.variants import Extensible


def _largest_first(share: "Shares") -> "Shares":
    """Return the shares in the order in which they are measured, each once; one of them as a number."""
    if not isinstance(share, tuple):
        return share
    ordered = tuple(sorted(set(share), reverse=True))
    return ordered if len(ordered) > 1 else ordered[0]


Share = Annotated[float, Field(ge=0, le=1)]
Shares = Annotated[
    Annotated[Share, Tag("number")]
    | Annotated[tuple[Share, ...], Field(min_length=1, strict=False), Tag("list")]
    | Annotated[Auto, Tag("auto")],
    Discriminator(lambda value: {list: "list", tuple: "list", str: "auto"}.get(type(value), "number")),
    AfterValidator(_largest_first),
]
"""One share, or several that are measured after the same training: a list, from the largest to the smallest,
or `auto`, by which each one is chosen from the measurements before."""


class MergeBase(Config):
    """Base class of all merges; every merge with a share of 1 is no merge."""

    share: Shares
    """Share of the change by training that is kept: 1 is the trained model, 0 the seed model. Of a list, each
    share is measured after the same training. `auto` chooses up to four shares by the objective: `floor`
    looks for the largest one that keeps the floor beyond the noise, `pareto` for where the front bends, and
    `weighted` for the best one."""

    @property
    def shares(self) -> tuple[float, ...]:
        """Return all shares, the largest first; of `auto` the ends between which they are chosen."""
        if self.share == "auto":
            return 1.0, 0.0
        return self.share if isinstance(self.share, tuple) else (self.share,)

    @property
    def kept(self) -> float:
        """Return the only share. Raises ValueError if there are several."""
        if isinstance(self.share, tuple | str):
            got = self.share if isinstance(self.share, str) else list(self.share)
            raise ValueError(f"merge.share: must be one number here, got {got}")
        return self.share

    @property
    def changes_weights(self) -> bool:
        """Return whether the trained weights are changed for any share."""
        return min(self.shares) < 1


class LinearMerge(MergeBase):
    """The same share for all weights (Farn et al., arXiv 2412.19512)."""

    name: Literal["linear"] = "linear"

    share: Shares = 1.0
    """Share of the change by training that is kept: 1 is the trained model, 0 the seed model. Of a list, each
    share is measured after the same training. `auto` chooses up to four shares by the objective: `floor`
    looks for the largest one that keeps the floor beyond the noise, `pareto` for where the front bends, and
    `weighted` for the best one."""


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

    share: Shares
    """Share of the change by training that is kept in the layers that are moved back. Of a list, each share
    is measured after the same training; `auto` as in the merge `linear`."""

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


def with_share(config: Mapping[str, Any], share: float) -> dict[str, Any]:
    """Return a trial's configuration, as JSON values, with this share of its merge; 1 is no merge."""
    merge = config.get("merge", {})
    whole = {key: value for key, value in config.items() if key != "merge"}
    return {**config, "merge": {**merge, "share": share}} if merge and share < 1 else whole


def share_of(config: Mapping[str, Any]) -> Any:
    """Return the share of a trial's configuration, as JSON values, which don't mention the share 1.

    It is a number, a list of several, or "auto".
    """
    return config.get("merge", {}).get("share", 1.0)


def point_configs(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a trial's configuration for each of its shares, as JSON values, in the order of measuring.

    They equal those of trials with one share each; without a list of shares it is the only one.
    """
    shares = share_of(config)
    if not isinstance(shares, list | tuple):
        return [dict(config)]
    return [with_share(config, share) for share in shares]


def join_points(configs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return trainings that measure these points: the inverse of `point_configs`.

    Configurations, as JSON values, that differ in nothing but the share become one with several shares. They
    are in the order of their first points.
    """
    trainings: list[tuple[dict[str, Any], dict[str, Any] | None, list[float]]] = []
    for config in configs:
        rest = {key: value for key, value in config.items() if key != "merge"}
        merge = dict(config["merge"]) if config.get("merge") else None
        share = merge.pop("share") if merge else 1.0
        for index, (known_rest, known_merge, shares) in enumerate(trainings):
            if known_rest == rest and (known_merge is None or merge in (None, known_merge)):
                trainings[index] = known_rest, known_merge or merge, [*shares, share]
                break
        else:
            trainings.append((rest, merge, [share]))
    return [
        {**rest, "merge": {**merge, "share": shares if len(shares) > 1 else shares[0]}} if merge else rest
        for rest, merge, shares in trainings
    ]


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
