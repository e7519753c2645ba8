"""One sentence for the user on why a configuration, or none, is recommended."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lookahead_ray.config.objective import FloorObjective, Objective, ParetoObjective
from lookahead_ray.objective.judgement import FIRST_CANDIDATE, VANILLA, ObjectiveJudgement, Rates
from lookahead_ray.stats.interval import Interval
from lookahead_ray.stats.simultaneous import Bootstrapped
from lookahead_ray.sweep.recommend.candidates import Candidate, Field
from lookahead_ray.sweep.recommend.recommendation import Comparison
from lookahead_ray.trial.label import method_and_defence_label, quoted, tokens
from lookahead_ray.trial.record import TrialRecord


@dataclass(frozen=True)
class Facts:
    """The facts in the sentence, about the recommended candidate or the closest one."""

    field: Field
    rates: Rates
    judged: ObjectiveJudgement
    place: int
    comparison: Comparison
    equals: int  # number of eligible candidates indistinguishable from the best, itself included

    @property
    def candidate(self) -> Candidate:
        """Return the candidate at `place`."""
        return self.field.candidates[self.place]


def sentence(objective: Objective, facts: Facts, *, recommended: bool) -> str:
    """Return the sentence: the candidate's and vanilla's rates, the difference, and the number of seeds."""
    what = describe(facts.candidate.first)
    told = f"{_rates(facts)}; {_margin(objective, facts)}"
    rest = _seeds(facts.field.vanilla, facts.candidate)
    if not recommended:
        return f"{_refusal(objective, facts)}; the closest, {what}, has {told}; {rest}"
    if facts.equals > 1:
        rest = f"it is the simplest of {facts.equals} that the data can't tell apart; {rest}"
    return f"{what} keeps {told}; {rest}"


def describe(record: TrialRecord) -> str:
    """Return e.g. "true preview of 6 tokens", or with another method than vanilla "no preview (sdft)"."""
    shown = _preview(record.config["preview"])
    others = ", ".join(method_and_defence_label(record.config))
    return f"{shown} ({others})" if others else shown


def _rates(facts: Facts) -> str:
    rates, comparison = facts.rates, facts.comparison

    def both(numbers: Bootstrapped, p_value: float | None) -> str:
        own, vanilla = numbers.point[FIRST_CANDIDATE + facts.place], numbers.point[VANILLA]
        p = "" if p_value is None else f", {_p(p_value)}"
        return f"{_percent(own)} (vanilla {_percent(vanilla)}{p})"

    return (
        f"RSR {both(rates.rsr, comparison.rsr_p_value)}"
        f" and JSR {both(rates.jsr, comparison.jsr_p_value)}"
        f" at utility {both(rates.utility, None)}"
    )


def _margin(objective: Objective, facts: Facts) -> str:
    candidates = len(facts.field.candidates)
    adjusted = f", adjusted for {candidates} candidates" if candidates > 1 else ""
    useful = facts.judged.difference[facts.place]
    match objective:
        case FloorObjective():
            floor = facts.judged.safety[facts.place]
            kind = "share of the seed's safety" if objective.relative_to == "seed" else "safety"
            side = "above" if floor.value >= 0 else "below"
            return (
                f"its {kind} is {_size(floor)} {side} the floor of {_decimal(objective.floor)}"
                f" ({_interval(floor)}{adjusted}),"
                f" its share of vanilla's gain {_beside(useful)} ({_interval(useful)})"
            )
        case ParetoObjective():
            safe = facts.judged.safety[facts.place]
            third = [*facts.judged.complied[facts.place : facts.place + 1]]
            told = [f", its compliance {_beside(one)} ({_interval(one)})" for one in third]
            return (
                f"its share of the seed's safety is {_beside(safe)} ({_interval(safe)}{adjusted}),"
                f" its share of vanilla's gain {_beside(useful)} ({_interval(useful)}){''.join(told)}"
            )
        case _:
            return f"its objective is {_beside(useful)} ({_interval(useful)}{adjusted})"


def _refusal(objective: Objective, facts: Facts) -> str:
    match objective:
        case FloorObjective() if facts.judged.vanilla_keeps:
            return "vanilla keeps the floor, and no configuration that does gains more beyond the noise"
        case FloorObjective():
            return "no configuration keeps the floor beyond the noise"
        case ParetoObjective():
            return "no configuration beats vanilla in one aim without losing in another beyond the noise"
        case _:
            return "no candidate beats vanilla beyond the noise"


def _seeds(vanilla: Candidate, candidate: Candidate) -> str:
    if len(candidate.runs) == 1:
        return "1 seed: the interval covers prompts, not training"
    told = f"{len(candidate.runs)} seeds"
    return told if len(vanilla.runs) == len(candidate.runs) else f"{told}, vanilla {len(vanilla.runs)}"


def _preview(preview: Mapping[str, Any]) -> str:
    match preview["strategy"]:
        case "true":
            return f"true preview of {tokens(preview['length_tokens'])}"
        case "virtual":
            return f"virtual preview {quoted(preview['prefix'])}"
        case _:
            return "no preview"


def _beside(interval: Interval) -> str:
    """Return e.g. "0.24 above vanilla's"."""
    return f"{_size(interval)} {'above' if interval.value >= 0 else 'below'} vanilla's"


def _interval(interval: Interval) -> str:
    low, high = (_decimal(end).replace("-", "−") for end in (interval.low, interval.high))
    return f"95 % interval {low} to {high}"


def _size(interval: Interval) -> str:
    return _decimal(abs(interval.value))


def _percent(rate: float) -> str:
    return f"{100 * rate:.0f} %"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}" if value < 0.1 else f"p = {value:.2f}"


def _decimal(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"  # + 0.0 turns -0.0 into 0.0
