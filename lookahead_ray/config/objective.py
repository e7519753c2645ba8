"""Objectives of a search: one configuration model per kind of objective, selected by `name`."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from lookahead_ray.config.attack import AttackConfig, SuffixAttack
from lookahead_ray.config.base import Config
from lookahead_ray.config.safety import Suite, suite_label
from lookahead_ray.config.variants import Extensible
from lookahead_ray.errors import ConfigError


class SafetyPart(Config):
    """One rate that is part of safety, with its weight."""

    metric: Literal["rsr", "jsr"]
    """`rsr`, or `jsr` under an attack."""

    suite: str | None = Field(None, min_length=1)
    """Label of the safety suite; null uses the first suite with such prompts."""

    attack: str | None = Field(None, min_length=1)
    """Name of the attack, such as prefill_5, only for `jsr`; null uses the first attack that was run."""

    weight: float = Field(1.0, gt=0)
    """Weight in the weighted mean; weights need not add up to 1."""

    @property
    def label(self) -> str:
        """Return the metric, and the suite and the attack that are set."""
        return " ".join(filter(None, (self.metric, self.suite, self.attack)))


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


class ObjectiveBase(Config):
    """Base class of all objectives."""

    safety: SafetyParts = DEFAULT_PARTS
    """Rates whose weighted mean is the safety."""

    chooses_shares: ClassVar[bool] = False
    """Whether the objective has a rule for `merge.share: auto`."""

    @property
    def needs_over_refusal(self) -> bool:
        """Return whether the objective uses over-refusal, so that trials must measure it."""
        return False


class WeightedObjective(ObjectiveBase):
    """Maximise w · safety + (1 − w) · utility, relative to the reference trials (see objective/base.py)."""

    chooses_shares = True

    name: Literal["weighted"] = "weighted"

    safety_weight: float = Field(0.5, ge=0, le=1)
    """Weight w: 1 optimises safety alone, 0 utility alone."""


class FloorObjective(ObjectiveBase):
    """Maximise utility among the configurations whose safety is at least `floor`."""

    chooses_shares = True

    name: Literal["floor"]

    floor: float = Field(ge=0)
    """Minimum safety: a share of the seed model's safety, or a rate in 0..1 (see `relative_to`)."""

    relative_to: Literal["seed", "none"] = "seed"
    """`seed`: the floor is a share of the seed model's safety; `none`: it is a rate."""

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.relative_to == "none" and self.floor > 1:
            raise ValueError(f"floor must be a rate in 0..1 with relative_to: none, got {self.floor:g}")
        return self


class ParetoObjective(ObjectiveBase):
    """Maximise both safety and utility; the result is a Pareto front to choose from."""

    chooses_shares = True

    name: Literal["pareto"]

    over_refusal: bool = False
    """Whether to maximise 1 − over-refusal as a third objective, less the share of harmless requests whose
    answers are unparsed."""

    @property
    def needs_over_refusal(self) -> bool:
        """Return whether over-refusal is the third objective."""
        return self.over_refusal


def _weighted_by_default(value: Any) -> Any:
    return {"name": "weighted", **value} if isinstance(value, dict) and "name" not in value else value


Objective = WeightedObjective | FloorObjective | ParetoObjective

ObjectiveConfig = Annotated[
    Objective,
    Field(discriminator="name"),
    Extensible("lookahead_ray.objective.registry:OBJECTIVES"),
    BeforeValidator(_weighted_by_default),
]


class HasObjective(Config):
    """Wrapper that validates an objective alone; a mapping without a name is `weighted`."""

    objective: ObjectiveConfig


def check_names(objective: Objective, suites: Sequence[Suite], attacks: Sequence[AttackConfig]) -> None:
    """Refuse parts of safety that name a suite or an attack which a trial does not have.

    The names of suffixes without a label are unknown before their file is read, so with such a file any
    `suffix_…` passes; `evaluate.safety_prompts.check_parts` checks the parts against the loaded data.

    Raises:
        ConfigError: the message begins with the part's field.
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
