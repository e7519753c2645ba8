"""What to train: the best trial of a sweep, if it beats vanilla beyond the noise."""

from collections.abc import Mapping, Sequence
from typing import Any

from lookahead_ray.config.objective import WeightedObjective
from lookahead_ray.evaluate.paired import mcnemar
from lookahead_ray.sweep.bootstrap import Objectives, objectives, outcomes
from lookahead_ray.sweep.recommendation import Comparison, Recommendation
from lookahead_ray.trial.label import beside, quoted, tokens
from lookahead_ray.trial.objective import References, is_scorable, safety_of
from lookahead_ray.trial.record import Metric, Rate, Role, TrialRecord

_PAIRED: tuple[Metric, ...] = ("rsr", "jsr", "utility")


def recommend(
    records: Sequence[TrialRecord],
    objective: WeightedObjective,
    seed: int = 0,
    resamples: int = 2000,
) -> Recommendation:
    """Recommend the completed search trial with the best objective among those that beat vanilla.

    A trial beats vanilla if the interval of its objective's difference to vanilla's lies above 0. Intervals
    come from a paired bootstrap over prompts that draws the references along, and cover all candidates' true
    differences at once in 95 % of sweeps (max-|t|, see bootstrap.py). Those whose difference to the
    recommended one covers 0, simultaneously again, are listed as indistinguishable from it. The p-values are
    McNemar's, one test each, unadjusted. `seed` makes the resamples repeatable.

    Raises ValueError, naming the prompt, if trials weren't evaluated on the same prompts.
    """
    references = _references(records)
    if isinstance(references, str):
        return _nothing(references)
    candidates = [record for record in records if record.role == "search" and is_scorable(record)]
    if not candidates:
        return _nothing("no recommendation: no search trial was completed")
    if safety_of(references.seed) == 0:
        return _nothing("no recommendation: the seed model is never safe, so there is no safety to keep")
    models = [references.seed, references.vanilla, *candidates]
    _check_same_prompts(models)
    values = objectives(models, 0, 1, objective, seed, resamples)
    compared = _compare(values, candidates, references.vanilla)
    best = next((comparison for comparison in compared if comparison.low > 0), None)
    shown = best or compared[0]
    record = next(candidate for candidate in candidates if candidate.trial_id == shown.trial_id)
    sentence = _sentence(shown, record, references.vanilla, len(candidates), recommended=best is not None)
    same = _indistinguishable(values, candidates, best.trial_id) if best else ()
    return Recommendation(best.trial_id if best else None, sentence, same, tuple(compared))


def _references(records: Sequence[TrialRecord]) -> References | str:
    """The references, or why there are none."""
    found: dict[Role, TrialRecord] = {}
    for role in ("seed", "vanilla"):
        of_role = [record for record in records if record.role == role]
        usable = next(filter(is_scorable, of_role), None)
        if usable is None:
            name = "seed model's" if role == "seed" else "vanilla"
            state = "is missing" if not of_role else f"was not evaluated in full ({of_role[-1].status})"
            return f"no recommendation: the {name} trial {state}, and every objective is relative to it"
        found[role] = usable
    return References(seed=found["seed"], vanilla=found["vanilla"])


def _check_same_prompts(models: Sequence[TrialRecord]) -> None:
    for metric in _PAIRED:
        expected = outcomes(models[0], metric).keys()
        for model in models:
            different = expected ^ outcomes(model, metric).keys()
            if different or not expected:
                prompt = min(different, default="none at all")
                raise ValueError(
                    f"trial {model.trial_id}: {metric} must have the same prompts as trial "
                    f"{models[0].trial_id}, got a difference at {prompt}"
                )


def _compare(values: Objectives, candidates: Sequence[TrialRecord], vanilla: TrialRecord) -> list[Comparison]:
    """All candidates against vanilla, best objective first; ties keep the order of the trials."""
    intervals = values.minus(1).simultaneous(range(2, 2 + len(candidates)))
    compared = [
        Comparison(
            trial_id=candidate.trial_id,
            objective=float(point),
            difference=interval.difference,
            low=interval.low,
            high=interval.high,
            rsr_p_value=mcnemar(outcomes(candidate, "rsr"), outcomes(vanilla, "rsr")).p_value,
            jsr_p_value=mcnemar(outcomes(candidate, "jsr"), outcomes(vanilla, "jsr")).p_value,
        )
        for candidate, point, interval in zip(candidates, values.point[2:], intervals, strict=True)
    ]
    return sorted(compared, key=lambda comparison: -comparison.objective)


def _indistinguishable(
    values: Objectives, candidates: Sequence[TrialRecord], trial_id: str
) -> tuple[str, ...]:
    """The others whose difference to the trial covers 0, best objective first."""
    columns = {candidate.trial_id: 2 + i for i, candidate in enumerate(candidates)}
    base = columns.pop(trial_id)
    intervals = values.minus(base).simultaneous(list(columns.values()))
    same = [
        (interval.difference, other)
        for other, interval in zip(columns, intervals, strict=True)
        if interval.low <= 0 <= interval.high
    ]
    return tuple(other for _, other in sorted(same, key=lambda pair: -pair[0]))


def _sentence(
    comparison: Comparison, record: TrialRecord, vanilla: TrialRecord, candidates: int, *, recommended: bool
) -> str:
    """The candidate's rates beside vanilla's and how far its objective is above, with its interval."""
    numbers = (
        f"RSR {_percent(record.rsr)} (vanilla {_percent(vanilla.rsr)}, {_p(comparison.rsr_p_value)})"
        f" and JSR {_percent(record.jsr)} (vanilla {_percent(vanilla.jsr)}, {_p(comparison.jsr_p_value)})"
        f" at utility {_percent(record.utility)} (vanilla {_percent(vanilla.utility)});"
    )
    side = "above" if comparison.difference >= 0 else "below"
    adjusted = f", adjusted for {candidates} candidates" if candidates > 1 else ""
    margin = (
        f"its objective is {_decimal(abs(comparison.difference))} {side} vanilla's"
        f" (95 % interval {_decimal(comparison.low)} to {_decimal(comparison.high)}{adjusted})"
    )
    if recommended:
        return f"{_what(record)} keeps {numbers} {margin}"
    closest = f"the closest, {_what(record)}, has {numbers} {margin}"
    return f"no candidate beats vanilla beyond the noise; {closest}"


def _what(record: TrialRecord) -> str:
    """ "true preview of 6 tokens", or with other than the vanilla method "no preview (sdft)"."""
    shown = _preview(record.config["preview"])
    others = ", ".join(beside(record.config))
    return f"{shown} ({others})" if others else shown


def _preview(preview: Mapping[str, Any]) -> str:
    match preview["strategy"]:
        case "true":
            return f"true preview of {tokens(preview['length_tokens'])}"
        case "virtual":
            return f"virtual preview {quoted(preview['prefix'])}"
        case _:
            return "no preview"


def _percent(rate: Rate | None) -> str:
    return "unknown" if rate is None else f"{100 * rate.value:.0f} %"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}" if value < 0.1 else f"p = {value:.2f}"


def _decimal(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"  # + 0.0 turns -0.0 into 0.0


def _nothing(reason: str) -> Recommendation:
    return Recommendation(None, reason, (), ())
