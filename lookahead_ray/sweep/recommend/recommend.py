"""The choice of what to train: the simplest of the best configurations that beat vanilla beyond the noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from lookahead_ray.config.objective import Objective
from lookahead_ray.objective.base import safety_of
from lookahead_ray.objective.judgement import (
    FIRST_CANDIDATE,
    VANILLA,
    ObjectiveJudgement,
    Rates,
    relative_scores,
)
from lookahead_ray.objective.registry import judge
from lookahead_ray.stats.mcnemar import mcnemar
from lookahead_ray.sweep.recommend.bootstrap import check_same_prompts, outcomes, resample
from lookahead_ray.sweep.recommend.candidates import Candidate, Field, field_of
from lookahead_ray.sweep.recommend.explanation import Facts, sentence
from lookahead_ray.sweep.recommend.recommendation import Comparison, Recommendation
from lookahead_ray.trial.label import method_and_defence_label
from lookahead_ray.trial.record import Metric, TrialRecord

CHARACTERS_A_TOKEN = 4
"""Characters per previewed token, to compare true previews with prefixes: usual for English text."""


@dataclass(frozen=True)
class Assessment:
    """The comparison of all configurations of a sweep with its references."""

    field: Field
    rates: Rates
    judged: ObjectiveJudgement


def assess(
    records: Sequence[TrialRecord], objective: Objective, seed: int = 0, resamples: int = 2000
) -> Assessment | str:
    """Return the assessment, or in words why there is none.

    Raises ValueError, naming the prompt, if trials weren't evaluated on the same prompts.
    """
    field = field_of(records, objective)
    if isinstance(field, str):
        return field
    if safety_of(field.seed_model.first, objective.safety) == 0:
        return "the seed model is never safe, so there is no safety to keep"
    check_same_prompts(field.models, objective)
    rates = resample(field.models, objective.safety, seed, resamples)
    return Assessment(field, rates, judge(objective, relative_scores(rates)))


def recommend(
    records: Sequence[TrialRecord], objective: Objective, seed: int = 0, resamples: int = 2000
) -> Recommendation:
    """Recommend the simplest of the configurations that are indistinguishable from the best one.

    Only configurations that are better than vanilla beyond the noise are eligible (see `judge`). The best has
    the greatest objective; under `floor` the greatest utility, under `pareto` the greatest product of its
    aims, which is the hypervolume that it dominates alone. Among those whose difference to the best covers 0,
    the simplest is recommended (see `complexity`). Those whose difference to the recommended one covers 0,
    again with simultaneous intervals, are listed as indistinguishable from it.

    Trials that differ only in their random seed are one configuration. Intervals come from a paired bootstrap
    over prompts and, where there are several, seeds; the references are resampled too. Once any configuration
    was repeated, only repeated ones can be recommended: for the others the variance of training is unknown.
    The p-values are McNemar's, one test each, unadjusted; where either side has several seeds they are the
    bootstrap's. `seed` makes the resamples repeatable.

    Raises ValueError, naming the prompt, if trials weren't evaluated on the same prompts.
    """
    assessed = assess(records, objective, seed, resamples)
    if isinstance(assessed, str):
        return Recommendation(None, f"no recommendation: {assessed}", (), (), objective.name)
    field, rates, judged = assessed.field, assessed.rates, assessed.judged
    compared = [_comparison(place, field, rates, judged) for place in judged.order]
    contenders = _run_again(field) or judged.possible | judged.better
    eligible = [place for place in judged.order if place in judged.better & contenders]
    chosen, equals = _simplest(eligible, judged, field) if eligible else (None, 1)
    shown = chosen if chosen is not None else _closest(judged, contenders)
    facts = Facts(field, rates, judged, shown, compared[judged.order.index(shown)], equals)
    ids = [candidate.trial_id for candidate in field.candidates]
    alike = judged.others_like(chosen) if chosen is not None else {}
    return Recommendation(
        trial_id=None if chosen is None else ids[chosen],
        sentence=sentence(objective, facts, recommended=chosen is not None),
        indistinguishable=tuple(ids[i] for i in sorted(alike, key=lambda i: -alike[i].value)),
        comparisons=tuple(compared),
        kind=objective.name,
        front=tuple(ids[place] for place in judged.order if place in judged.front),
    )


def _run_again(field: Field) -> frozenset[int]:
    """Return the candidates with several random seeds."""
    return frozenset(place for place, one in enumerate(field.candidates) if len(one.runs) > 1)


def _simplest(eligible: Sequence[int], judged: ObjectiveJudgement, field: Field) -> tuple[int, int]:
    """Return the simplest of the eligible candidates that are like the best, and the number of these."""
    best = eligible[0]
    like = judged.others_like(best)
    equals = [place for place in eligible if place == best or place in like]
    return min(equals, key=lambda place: complexity(field.candidates[place].first)), len(equals)


def _closest(judged: ObjectiveJudgement, contenders: frozenset[int]) -> int:
    return next((place for place in judged.order if place in contenders), judged.order[0])


def _comparison(place: int, field: Field, rates: Rates, judged: ObjectiveJudgement) -> Comparison:
    candidate, interval = field.candidates[place], judged.difference[place]
    return Comparison(
        trial_id=candidate.trial_id,
        objective=float(judged.merit.point[FIRST_CANDIDATE + place]),
        difference=interval.value,
        low=interval.low,
        high=interval.high,
        rsr_p_value=_p_value("rsr", place, candidate, field.vanilla, rates),
        jsr_p_value=_p_value("jsr", place, candidate, field.vanilla, rates),
        seeds=len(candidate.runs),
        safety=judged.safety[place] if judged.safety else None,
    )


def _p_value(metric: Metric, place: int, candidate: Candidate, vanilla: Candidate, rates: Rates) -> float:
    if len(candidate.runs) == len(vanilla.runs) == 1:
        return mcnemar(outcomes(candidate.first, metric), outcomes(vanilla.first, metric)).p_value
    numbers = rates.rsr if metric == "rsr" else rates.jsr
    return float(numbers.minus(VANILLA).p_values()[FIRST_CANDIDATE + place])


def complexity(record: TrialRecord) -> tuple[float, ...]:
    """Return a sort key, simplest first.

    It compares the additions besides the preview (another method than vanilla, defences), then the preview's
    length in characters (none, short, long), then the cost in FLOPs, then the epochs.
    """
    training = record.config.get("training", {})
    return (
        len(list(method_and_defence_label(record.config))),
        _shown(record.config.get("preview", {})),
        inf if record.flops is None else record.flops,
        training.get("epochs", 0),
    )


def _shown(preview: dict[str, object]) -> float:
    match preview:
        case {"strategy": "true", "length_tokens": int(tokens)}:
            return CHARACTERS_A_TOKEN * tokens
        case {"strategy": "virtual", "prefix": str(prefix)}:
            return len(prefix)
        case _:
            return 0
