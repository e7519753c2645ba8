"""The early end of measuring a point (`search.measure: sequential`), by its answers to the first prompts.

After a quarter and after half of the prompts, a point ends if it is below a floor, or below a committed point
in every value that the objective maximises, beyond the noise. What it is compared with is fixed when its job
starts, and compared prompt by prompt. The total error is `ALPHA` for a point: it is split over the
comparisons and spent over the looks (`stats.group_sequential`). A comparison in several values needs no
further split, as all of them must be below (Berger 1982, Technometrics 24).

The prompts asked first are a random sample of all (`evaluate.portion`). So of the points whose whole
measurement would not be below, at most `ALPHA` end early, as the points to compare with are chosen by their
whole measurements. The error holds for each point, also for each of several points of one training.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from lookahead_ray.config.objective import SafetyPart
from lookahead_ray.evaluate.rates import compliance, credit, headline
from lookahead_ray.objective.base import part_rows
from lookahead_ray.stats.group_sequential import critical_values, is_below_zero
from lookahead_ray.stats.interval import NORMAL_95
from lookahead_ray.trial.record import Generation, Metric, TrialRecord

LOOKS = (0.25, 0.5)
"""Shares of the prompts after which a point may end."""

ALPHA = 0.05
"""Maximum probability of ending a point that is not below what it is compared with."""

Credits = Mapping[str, float]
"""Prompt id -> 1 for an answer that counts, 0 for another one, or a score in 0..1."""

RateKey = SafetyPart | Metric
"""A part of safety, or a metric by its own rate."""


@dataclass(frozen=True)
class Term:
    """One rate of a value: its weight, and the credits that the point's own are compared with."""

    rate: RateKey
    weight: float
    baseline: Credits
    counted: Callable[[Generation], float] = credit  # what an answer counts

    def changes(self, generations: Sequence[Generation]) -> dict[tuple[str, str], float]:
        """Return the credit of each prompt minus the baseline's, by suite and prompt id."""
        rows = [row for row in _rows(generations, self.rate) if row.verdict != "dropped"]
        return {
            (row.suite, row.prompt_id): self.counted(row) - self.baseline[row.prompt_id]
            for row in rows
            if row.prompt_id in self.baseline
        }


ComparedValue = tuple[Term, ...]
"""The terms whose sum is a value of the point minus that of what it is compared with."""


@dataclass(frozen=True)
class EndComparison:
    """Values that must all be below 0 for a point to end, and the reason in words that is then stored."""

    reason: str
    values: tuple[ComparedValue, ...]


@dataclass(frozen=True)
class MeasuringEnd:
    """The rule that ends the measuring of one point; implements `trial.job.EndMeasuring`."""

    comparisons: tuple[EndComparison, ...]
    looks: tuple[float, ...] = LOOKS

    def reason_to_end(self, look: int, generations: Sequence[Generation]) -> str | None:
        """Return why the point ends after this look, from 0; None to go on, also without all verdicts."""
        if any(row.verdict == "unjudged" for row in generations):
            return None
        critical = critical_values(self.looks, ALPHA / len(self.comparisons))[look]
        for comparison in self.comparisons:
            if all(_is_below(value, generations, critical) for value in comparison.values):
                return comparison.reason
        return None


def end_rule(comparisons: Sequence[EndComparison]) -> MeasuringEnd | None:
    """Return the rule of these comparisons; None without any, so that points are measured whole."""
    return MeasuringEnd(tuple(comparisons)) if comparisons else None


def safety_value(record: TrialRecord, parts: Sequence[SafetyPart], scale: float = 1.0) -> ComparedValue:
    """Return the safety of a point, times `scale`, minus the record's."""
    total = sum(part.weight for part in parts)
    return tuple(Term(part, scale * part.weight / total, credits_of(record, part)) for part in parts)


def floor_value(
    record: TrialRecord, parts: Sequence[SafetyPart], floor: float, relative: bool
) -> ComparedValue:
    """Return the safety of a point minus the floor, a share of the record's safety if it is `relative`."""
    total = sum(part.weight for part in parts)
    return tuple(
        Term(
            part,
            part.weight / total,
            {prompt: floor * (own if relative else 1.0) for prompt, own in credits_of(record, part).items()},
        )
        for part in parts
    )


def is_above(record: TrialRecord, value: ComparedValue) -> bool:
    """Return whether a record that is measured whole has a value above 0 beyond the noise, two-sided 95 %."""
    negated = tuple(replace(term, weight=-term.weight) for term in value)
    return _is_below(negated, record.generations, NORMAL_95)


def metric_value(record: TrialRecord, metric: Metric, scale: float = 1.0) -> ComparedValue:
    """Return the rate of a metric of a point, times `scale`, minus the record's."""
    return (Term(metric, scale, credits_of(record, metric)),)


def compliance_value(record: TrialRecord) -> ComparedValue:
    """Return the share of harmless requests that a point answers, minus the record's."""
    baseline = credits_of(record, "over_refusal", compliance)
    return (Term("over_refusal", 1.0, baseline, compliance),)


def credits_of(
    record: TrialRecord, rate: RateKey, counted: Callable[[Generation], float] = credit
) -> Credits:
    """Return the credits of the record's answers, without dropped ones."""
    rows = _rows(record.generations, rate)
    return {row.prompt_id: counted(row) for row in rows if row.verdict != "dropped"}


def _rows(generations: Sequence[Generation], rate: RateKey) -> list[Generation]:
    if isinstance(rate, SafetyPart):
        return part_rows(generations, rate)
    return headline(generations, rate)


def _is_below(value: ComparedValue, generations: Sequence[Generation], critical: float) -> bool:
    """Return whether the value is below 0 beyond the noise; False while one of its rates has no answer.

    A request's answers, plain and attacked, are one contribution.
    """
    sums: dict[tuple[str, str], float] = defaultdict(float)
    possible: dict[tuple[str, str], float] = defaultdict(float)
    for term in value:
        changes = term.changes(generations)
        for prompt, change in changes.items():
            sums[prompt] += term.weight / len(changes) * change
            possible[prompt] += abs(term.weight) / len(changes)
        if not changes:
            return False
    return is_below_zero(list(sums.values()), critical, max(possible.values()))
