"""One sentence for the user on why a configuration, or none, is recommended."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from lookahead_ray.objective.judgement import FIRST_CANDIDATE, VANILLA, ModelRates, ObjectiveJudgement
from lookahead_ray.objective.search_objective import SearchObjective
from lookahead_ray.stats.simultaneous import Bootstrapped
from lookahead_ray.sweep.recommend.candidates import Candidate, Field
from lookahead_ray.sweep.recommend.recommendation import Comparison
from lookahead_ray.trial.label import additions_to_vanilla, quoted, searched, tokens
from lookahead_ray.trial.record import TrialRecord


@dataclass(frozen=True)
class Facts:
    """The facts in the sentence, about the recommended candidate or the closest one."""

    field: Field
    rates: ModelRates
    judged: ObjectiveJudgement
    index: int  # of the candidate
    comparison: Comparison
    equals: int  # number of eligible candidates indistinguishable from the best, itself included

    @property
    def candidate(self) -> Candidate:
        """Return the candidate at `index`."""
        return self.field.candidates[self.index]


def explain(objective: SearchObjective[Any], facts: Facts, *, recommended: bool) -> str:
    """Return the sentence: the candidate's and vanilla's rates, the difference, and the number of seeds."""
    record = facts.candidate.first
    candidate = describe_candidate(record)
    figures = f"{_rates_text(facts)}; {objective.explain(facts.judged, facts.index)}"
    seeds = _seeds_text(facts.field.vanilla, facts.candidate)
    if not recommended:
        reason = objective.explain_rejection(facts.judged)
        closest = ", ".join([candidate, *searched(record.params), f"trial {record.trial_id}"])
        return f"{reason}; the closest, {closest}, has {figures}; {seeds}"
    if facts.equals > 1:
        alike = f"{facts.equals} that the data can't distinguish in {objective.columns.ranked_by}"
        seeds = f"it is the simplest of {alike}; {seeds}"
    return f"{candidate} keeps {figures}; {seeds}"


def describe_candidate(record: TrialRecord) -> str:
    """Return e.g. "true preview of 6 tokens", or with another method than vanilla "no preview (sdft)"."""
    preview = _preview_text(record.config["preview"])
    others = ", ".join(additions_to_vanilla(record.config))
    return f"{preview} ({others})" if others else preview


def _rates_text(facts: Facts) -> str:
    rates, comparison = facts.rates, facts.comparison

    def compare(numbers: Bootstrapped, p_value: float | None) -> str:
        own, vanilla = numbers.point[FIRST_CANDIDATE + facts.index], numbers.point[VANILLA]
        p = "" if p_value is None else f", {_p_text(p_value)}"
        return f"{_percent(own)} (vanilla {_percent(vanilla)}{p})"

    return (
        f"RSR {compare(rates.rsr, comparison.rsr_p_value)}"
        f" and JSR {compare(rates.jsr, comparison.jsr_p_value)}"
        f" at utility {compare(rates.utility, None)}{_over_refusal_text(facts)}"
    )


def _over_refusal_text(facts: Facts) -> str:
    """Return the candidate's and vanilla's over-refusal; empty if one of them was not measured."""
    own, vanilla = (
        [run.over_refusal.value for run in model.runs if run.over_refusal]
        for model in (facts.candidate, facts.field.vanilla)
    )
    if not own or not vanilla:
        return ""
    return f" and over-refusal {_percent(fmean(own))} (vanilla {_percent(fmean(vanilla))})"


def _seeds_text(vanilla: Candidate, candidate: Candidate) -> str:
    if len(candidate.runs) == 1:
        return "1 random seed: the interval covers the variation of prompts, not of training"
    text = f"{len(candidate.runs)} random seeds"
    return text if len(vanilla.runs) == len(candidate.runs) else f"{text}, vanilla {len(vanilla.runs)}"


def _preview_text(preview: Mapping[str, Any]) -> str:
    match preview["strategy"]:
        case "true":
            return f"true preview of {tokens(preview['length_tokens'])}"
        case "virtual":
            return f"virtual preview {quoted(preview['prefix'])}"
        case _:
            return "no preview"


def _percent(rate: float) -> str:
    return f"{100 * rate:.0f} %"


def _p_text(value: float) -> str:
    if value < 0.001:
        return "p < 0.001"
    return f"p = {value:.3f}" if value < 0.1 else f"p = {value:.2f}"
