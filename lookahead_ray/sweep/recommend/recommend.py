"""The recommendation: the simplest of the best configurations that beat vanilla beyond the noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from lookahead_ray.config.objective import Objective
from lookahead_ray.objective.base import safety_of
from lookahead_ray.objective.judgement import (
    FIRST_CANDIDATE,
    VANILLA,
    ModelRates,
    ObjectiveJudgement,
    relative_scores,
)
from lookahead_ray.objective.registry import make_objective
from lookahead_ray.stats.mcnemar import mcnemar
from lookahead_ray.sweep.recommend.bootstrap import counted_verdicts, resample, with_same_prompts
from lookahead_ray.sweep.recommend.candidates import Candidate, Field, field_of
from lookahead_ray.sweep.recommend.explanation import Facts, explain
from lookahead_ray.sweep.recommend.recommendation import Comparison, Recommendation
from lookahead_ray.trial.label import additions_to_vanilla
from lookahead_ray.trial.record import Metric, TrialRecord

CHARACTERS_A_TOKEN = 4
"""Characters per previewed token, to compare true previews with prefixes: usual for English text."""


@dataclass(frozen=True)
class Assessment:
    """The comparison of all configurations of a sweep with its references."""

    field: Field
    rates: ModelRates
    judged: ObjectiveJudgement


def assess(
    records: Sequence[TrialRecord], objective: Objective, seed: int = 0, resamples: int = 2000
) -> Assessment | str:
    """Return the assessment, or in words why there is none.

    Args:
        seed: random seed of the resamples.

    Raises:
        ValueError: trials were not evaluated on the same prompts; the message names one. Single candidates
            that differ are left out instead.
    """
    field = field_of(records, objective)
    if isinstance(field, str):
        return field
    if safety_of(field.seed_model.first, objective.safety) == 0:
        return "the seed model is never safe, so there is no safety to keep"
    field = with_same_prompts(field, objective)
    rates = resample(field.models, objective.safety, seed, resamples)
    return Assessment(field, rates, make_objective(objective).judge(relative_scores(rates)))


def recommend(
    records: Sequence[TrialRecord], objective: Objective, seed: int = 0, resamples: int = 2000
) -> Recommendation:
    """Recommend the simplest of the configurations that are indistinguishable from the best one.

    Only configurations that are better than vanilla beyond the noise are eligible; the objective defines
    "better" and "best" (`SearchObjective.judge`). Among those whose difference to the best covers 0, the
    simplest is recommended (see `complexity`). Those whose difference to the recommended one covers 0, again
    with simultaneous intervals, are listed as indistinguishable from it.

    Trials that differ only in their random seed are one configuration. Intervals come from a paired bootstrap
    over prompts and, where there are several, random seeds; the references are resampled too. Once any
    configuration was repeated, only repeated ones can be recommended: for the others the variance of training
    is unknown. The p-values are McNemar's, one test each, unadjusted; where either side has several random
    seeds they are the bootstrap's.

    Args:
        seed: random seed of the resamples.

    Raises:
        ValueError: trials were not evaluated on the same prompts; the message names one. Single candidates
            that differ are left out instead.
    """
    judging = make_objective(objective)
    assessed = assess(records, objective, seed, resamples)
    if isinstance(assessed, str):
        return Recommendation(None, f"no recommendation: {assessed}", (), (), judging.columns)
    field, rates, judged = assessed.field, assessed.rates, assessed.judged
    compared = [_comparison(index, field, rates, judged) for index in judged.order]
    contenders = _repeated(field) or judged.possible | judged.better
    eligible = [index for index in judged.order if index in judged.better & contenders]
    chosen, equals = _simplest(eligible, judged, field, records) if eligible else (None, 1)
    shown = chosen if chosen is not None else _closest(judged, contenders)
    facts = Facts(field, rates, judged, shown, compared[judged.order.index(shown)], equals)
    ids = [candidate.trial_id for candidate in field.candidates]
    alike = judged.indistinguishable_from(chosen) if chosen is not None else {}
    return Recommendation(
        trial_id=None if chosen is None else ids[chosen],
        sentence=explain(judging, facts, recommended=chosen is not None) + _left_out(field),
        indistinguishable=tuple(ids[i] for i in sorted(alike, key=lambda i: -alike[i].value)),
        comparisons=tuple(compared),
        columns=judging.columns,
        front=tuple(ids[index] for index in judged.order if index in judged.front),
    )


def _left_out(field: Field) -> str:
    """Return the end of the sentence about trials that are not compared; empty if all are."""
    return f"; not compared: {'; '.join(field.left_out)}" if field.left_out else ""


def _repeated(field: Field) -> frozenset[int]:
    """Return the candidates with several random seeds."""
    return frozenset(index for index, one in enumerate(field.candidates) if len(one.runs) > 1)


def _simplest(
    eligible: Sequence[int], judged: ObjectiveJudgement, field: Field, records: Sequence[TrialRecord]
) -> tuple[int, int]:
    """Return the simplest of the eligible candidates that equal the best, and the number of these.

    Of equally simple ones it is the best.

    The FLOPs of a training are those of its first point, which may be partial and so no candidate.
    """
    best = eligible[0]
    alike = judged.indistinguishable_from(best)
    equals = [index for index in eligible if index == best or index in alike]
    flops = {record.training: record.flops for record in records if record.flops}

    def key(index: int) -> tuple[float, ...]:
        record = field.candidates[index].first
        return complexity(record, flops.get(record.training, record.flops))

    return min(equals, key=key), len(equals)


def _closest(judged: ObjectiveJudgement, contenders: frozenset[int]) -> int:
    """Return the best contender, or the best candidate if there are no contenders."""
    return next((index for index in judged.order if index in contenders), judged.order[0])


def _comparison(index: int, field: Field, rates: ModelRates, judged: ObjectiveJudgement) -> Comparison:
    candidate, interval = field.candidates[index], judged.difference[index]
    return Comparison(
        trial_id=candidate.trial_id,
        objective=float(judged.merit.point[FIRST_CANDIDATE + index]),
        difference=interval.value,
        low=interval.low,
        high=interval.high,
        rsr_p_value=_p_value("rsr", index, candidate, field.vanilla, rates),
        jsr_p_value=_p_value("jsr", index, candidate, field.vanilla, rates),
        seeds=len(candidate.runs),
        safety=judged.safety[index] if judged.safety else None,
    )


def _p_value(
    metric: Metric, index: int, candidate: Candidate, vanilla: Candidate, rates: ModelRates
) -> float:
    if len(candidate.runs) == len(vanilla.runs) == 1:
        own, plain = (counted_verdicts(model.first, metric) for model in (candidate, vanilla))
        return mcnemar(own, plain).p_value
    numbers = rates.rsr if metric == "rsr" else rates.jsr
    return float(numbers.minus(VANILLA).p_values()[FIRST_CANDIDATE + index])


def complexity(record: TrialRecord, flops: float | None) -> tuple[float, ...]:
    """Return a sort key, simplest first; `flops` are those of the whole training.

    It compares the number of additions other than the preview (another method, defences, a merge of chosen
    layers), then the preview's length in characters, then the cost in FLOPs, then the epochs. A linear merge
    costs nothing, so of the points of one training the best one is as simple as the others.
    """
    training, config = record.config.get("training", {}), dict(record.config)
    if config.get("merge", {}).get("name") == "linear":
        del config["merge"]
    return (
        len(list(additions_to_vanilla(config))),
        _preview_characters(record.config.get("preview", {})),
        inf if flops is None else flops,
        training.get("epochs", 0),
    )


def _preview_characters(preview: dict[str, object]) -> float:
    match preview:
        case {"strategy": "true", "length_tokens": int(tokens)}:
            return CHARACTERS_A_TOKEN * tokens
        case {"strategy": "virtual", "prefix": str(prefix)}:
            return len(prefix)
        case _:
            return 0
