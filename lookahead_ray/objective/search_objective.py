"""The interface of an objective: what a search maximises, and how its results are judged and presented.

An objective is one subclass of `SearchObjective` in a module of this package, listed in `registry.py`. All
other modules know it by this interface only.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from lookahead_ray.config.objective import ObjectiveBase
from lookahead_ray.objective.base import (
    ObjectiveValues,
    ReferenceTrials,
    RelativeScores,
    Score,
    compliance_of,
    is_scorable,
    safety_kept,
    safety_of,
    utility_kept,
)
from lookahead_ray.objective.judgement import ObjectiveJudgement
from lookahead_ray.objective.measuring_end import EndComparison
from lookahead_ray.objective.wording import adjustment, compared_with_vanilla, interval_text
from lookahead_ray.stats.simultaneous import Bootstrapped
from lookahead_ray.trial.job import ChooseShare
from lookahead_ray.trial.record import TrialRecord

ConfigModel = TypeVar("ConfigModel", bound=ObjectiveBase)


@dataclass(frozen=True, slots=True)
class ReportColumns:
    """The columns next to the rates in a report's table; the default suits a scalar objective."""

    first: str = "objective"
    """Title of the first column."""

    difference: str = "difference\nto vanilla"
    """Title of the column with the interval of `ObjectiveJudgement.difference`."""

    meaning: str = "difference to vanilla: of the objective"
    """What the columns show, for a line below the table."""

    ranked_by: str = "the objective"
    """What orders candidates, and in which those that are indistinguishable are so."""

    first_is_safety: bool = False
    """Whether the first column shows `ObjectiveJudgement.safety` instead of the trial's objective."""


SCALAR_COLUMNS = ReportColumns()


class SearchObjective(ABC, Generic[ConfigModel]):
    """One objective with its configuration.

    The methods that are not abstract suit an objective with one value and no constraint.
    """

    columns: ClassVar[ReportColumns] = SCALAR_COLUMNS

    plots_safety: ClassVar[bool] = False
    """Whether the trade-off plot has a panel of safety, as the objective defines it."""

    def __init__(self, config: ConfigModel) -> None:
        self.config = config

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Return the names of the maximised values, in the order of `ObjectiveValues.maximised`."""

    @abstractmethod
    def values(self, scores: RelativeScores[float]) -> ObjectiveValues:
        """Return a trial's maximised values and its constraint.

        `compliance` is not None in `scores` if `config.needs_over_refusal`, except in an early estimate.
        """

    @abstractmethod
    def judge(self, scores: RelativeScores[Bootstrapped]) -> ObjectiveJudgement:
        """Rank all candidates, and decide which are better than vanilla beyond the noise."""

    @abstractmethod
    def describe(self) -> str:
        """Return in words what is optimised, for `validate`; "safety" is explained by the caller."""

    def comparisons(
        self, references: ReferenceTrials, points: Sequence[TrialRecord]
    ) -> tuple[EndComparison, ...]:
        """Return what ends the measuring of a point early (`objective.measuring_end`); empty: nothing does.

        Args:
            points: completed points of the search so far, scored.
        """
        return ()

    def share_rule(self, references: ReferenceTrials) -> ChooseShare | None:
        """Return the rule of `merge.share: auto`; None: only share 1 is measured."""
        return None

    def explain(self, judged: ObjectiveJudgement, index: int) -> str:
        """Return how the candidate at `index` compares with vanilla: a clause that begins with "its"."""
        difference = judged.difference[index]
        interval = f"{interval_text(difference)}{adjustment(judged)}"
        return f"its objective is {compared_with_vanilla(difference)} ({interval})"

    def explain_rejection(self, judged: ObjectiveJudgement) -> str:
        """Return why no candidate is recommended, as a clause."""
        return "no candidate beats vanilla beyond the noise"

    def minimum_safety(self, seed_safety: float | None) -> float | None:
        """Return the safety, 0..1, at which the trade-off plot draws a line; None for no line.

        `seed_safety` is the seed model's; None if it was not measured.
        """
        return None

    def score(self, record: TrialRecord, references: ReferenceTrials) -> Score:
        """Score the record.

        There are no objectives if it or a reference is not scorable, or if the seed model is never safe.
        """
        if not is_scorable(record, self.config):
            return Score()
        safety = safety_of(record, self.config.safety)
        if not all(
            is_scorable(reference, self.config) for reference in (references.seed, references.vanilla)
        ):
            return Score(safety=safety)
        seed_safety = safety_of(references.seed, self.config.safety)
        if seed_safety == 0:
            return Score(safety=safety)
        scores = RelativeScores(
            safety=safety,
            safety_kept=safety_kept(safety, seed_safety),
            utility_kept=utility_kept(record, references),
            compliance=compliance_of(record),
        )
        found = self.values(scores)
        scalar = found.maximised[0] if len(found.maximised) == 1 else None
        return Score(scalar, found.maximised, found.constraint, safety)

    def estimate(self, scores: RelativeScores[float]) -> ObjectiveValues | None:
        """Return a stopped trial's values from estimated `scores`; None if over-refusal counts.

        No signal of a running trial measures over-refusal.
        """
        return None if self.config.needs_over_refusal else self.values(scores)

    def ranking_values(self, scores: RelativeScores[float]) -> tuple[float, ...]:
        """Return the values by which running trials are compared, each maximised, from estimated `scores`."""
        return self.values(scores).maximised
