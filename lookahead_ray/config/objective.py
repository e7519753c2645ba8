"""What a search optimises: one model for each kind of objective, told apart by `name`."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from lookahead_ray.config.attack import AttackConfig, SuffixAttack
from lookahead_ray.config.base import Config
from lookahead_ray.config.safety import Suite, suite_label
from lookahead_ray.errors import ConfigError


class SafetyPart(Config):
    """One rate that counts into safety, with its weight."""

    metric: Literal["rsr", "jsr"]
    """RSR, or JSR under an attack."""

    suite: str | None = Field(None, min_length=1)
    """Label of the safety suite; null takes the first one that has such prompts."""

    attack: str | None = Field(None, min_length=1)
    """Name of the attack, such as prefill_5; null takes the first one that was tried. Of JSR alone."""

    weight: float = Field(1.0, gt=0)
    """Weight in the mean; weights need not add up to 1."""


def _attacks_of_jsr(parts: tuple[SafetyPart, ...]) -> tuple[SafetyPart, ...]:
    seen = set()
    for part in parts:
        if part.metric == "rsr" and part.attack is not None:
            raise ValueError(f"attack must be null for the metric rsr, got {part.attack!r}")
        key = (part.metric, part.suite, part.attack)
        if key in seen:
            raise ValueError(f"must be parts that differ, got {part.metric} {part.suite} {part.attack} twice")
        seen.add(key)
    return parts


SafetyParts = Annotated[
    tuple[SafetyPart, ...], Field(strict=False, min_length=1), AfterValidator(_attacks_of_jsr)
]
DEFAULT_PARTS = (SafetyPart(metric="rsr"), SafetyPart(metric="jsr"))


class WeightedObjective(Config):
    """Maximise w · safety + (1 − w) · utility, each relative to the references (see objective/base.py)."""

    name: Literal["weighted"] = "weighted"

    safety: SafetyParts = DEFAULT_PARTS
    """What safety is: the weighted mean of these rates."""

    safety_weight: float = Field(0.5, ge=0, le=1)
    """w: 1 cares for safety alone, 0 for utility alone."""


class FloorObjective(Config):
    """Maximise utility among the configurations whose safety is at least `floor`."""

    name: Literal["floor"]

    safety: SafetyParts = DEFAULT_PARTS
    """What safety is: the weighted mean of these rates."""

    floor: float = Field(ge=0)
    """Least safety: a rate in 0..1, or a share of the seed model's."""

    relative_to: Literal["seed", "none"] = "seed"
    """`seed`: the floor is a share of the seed model's safety; `none`: it is a rate."""


class ParetoObjective(Config):
    """Maximise safety and utility both; what remains is a front to choose from."""

    name: Literal["pareto"]

    safety: SafetyParts = DEFAULT_PARTS
    """What safety is: the weighted mean of these rates."""

    over_refusal: bool = False
    """Whether few refusals of harmless requests are a third aim."""


def _weighted_by_default(value: Any) -> Any:
    return {"name": "weighted", **value} if isinstance(value, dict) and "name" not in value else value


Objective = WeightedObjective | FloorObjective | ParetoObjective

ObjectiveConfig = Annotated[
    Annotated[Objective, Field(discriminator="name")], BeforeValidator(_weighted_by_default)
]


class HasObjective(Config):
    """An objective by itself, to validate one; a mapping without a name is `weighted`."""

    objective: ObjectiveConfig


def check_names(objective: Objective, suites: Sequence[Suite], attacks: Sequence[AttackConfig]) -> None:
    """Refuse parts of safety that name what a trial does not have.

    Suffixes without labels are known by their file alone before it is read, so any `suffix_…` passes beside
    one; see `evaluate.safety_prompts.check_parts` for what the loaded data can be asked for.

    Raises:
        ConfigError: begins with the part's field.
    """
    labels = [suite_label(suite) for suite in suites]
    names = [name for attack in attacks for name in attack.names]
    open_ended = tuple(
        f"suffix_{attack.label}_" if attack.label else "suffix_"
        for attack in attacks
        if isinstance(attack, SuffixAttack)
    )
    for index, part in enumerate(objective.safety):
        field = f"objective.safety.{index}"
        if part.suite is not None and part.suite not in labels:
            known = ", ".join(labels)
            raise ConfigError(f"{field}.suite: must be a suite of the trial ({known}), got {part.suite!r}")
        if part.attack is not None and part.attack not in names and not part.attack.startswith(open_ended):
            known = ", ".join(names) or "none"
            raise ConfigError(
                f"{field}.attack: must be an attack of the trial ({known}), got {part.attack!r}"
            )
