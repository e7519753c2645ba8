"""Averages over the trials of one configuration, for tables and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from lookahead_ray.sweep.recommend.bootstrap import metric_rates
from lookahead_ray.sweep.recommend.candidates import Candidate, candidates_of
from lookahead_ray.trial.record import Metric, Rate, Role, TrialRecord

ROLES: tuple[Role, ...] = ("vanilla", "search")


@dataclass(frozen=True, slots=True)
class SeedAverage:
    """A configuration: its first run, with rates and objectives averaged over its random seeds."""

    record: TrialRecord
    seeds: int


def average_over_seeds(records: Sequence[TrialRecord]) -> list[SeedAverage]:
    """Return one entry per configuration, in the order of the trials; failed and stopped trials are separate.

    Rates over several random seeds have a 95 % bootstrap interval over prompts and seeds together; `n` counts
    prompts, `unparsed` counts answers. Repeats do not appear otherwise.
    """
    groups = [group for role in ROLES for group in candidates_of(records, role)]
    by_first = {group.trial_id: group for group in groups}
    grouped = {run.trial_id for group in groups for run in group.runs} - by_first.keys()
    shown = [r for r in records if r.trial_id not in grouped and r.role != "repeat"]
    return [_pool(by_first.get(record.trial_id, Candidate((record,)))) for record in shown]


def _pool(candidate: Candidate) -> SeedAverage:
    first, runs = candidate.first, candidate.runs
    if len(runs) == 1:
        return SeedAverage(first, 1)
    objectives = [run.objectives for run in runs if run.objectives]
    record = replace(
        first,
        rsr=_rate(candidate, "rsr", first.rsr),
        jsr=_rate(candidate, "jsr", first.jsr),
        over_refusal=_rate(candidate, "over_refusal", first.over_refusal),
        utility=_rate(candidate, "utility", first.utility),
        kl=tuple(map(fmean, zip(*(run.kl for run in runs), strict=False))),
        safety=_mean([run.safety for run in runs]),
        objective=_mean([run.objective for run in runs]),
        objectives=tuple(map(fmean, zip(*objectives, strict=True))),
        constraint=_mean([run.constraint for run in runs]),
    )
    return SeedAverage(record, len(runs))


def _rate(candidate: Candidate, metric: Metric, first: Rate | None) -> Rate | None:
    rates = metric_rates(candidate, metric) if first else None
    if rates is None or first is None:
        return first
    interval = rates.simultaneous([0])[0]
    unparsed = sum(rate.unparsed for run in candidate.runs if (rate := getattr(run, metric)))
    return Rate(interval.value, max(interval.low, 0.0), min(interval.high, 1.0), first.n, unparsed)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
