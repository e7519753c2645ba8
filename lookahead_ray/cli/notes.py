"""What stands below a report's table: how to read it."""

from collections import Counter
from collections.abc import Sequence

from lookahead_ray.evaluate.rates import headline
from lookahead_ray.hardware.choice import Placement
from lookahead_ray.sweep.pooled import Pooled
from lookahead_ray.sweep.recommendation import Recommendation
from lookahead_ray.trial.record import Metric, Rate, TrialRecord

METRICS: dict[Metric, str] = {
    "rsr": "RSR",
    "jsr": "JSR",
    "over_refusal": "over-refusal",
    "utility": "utility",
}
MEANINGS = {
    "weighted": "difference to vanilla: of the objective",
    "floor": "safety over the floor, and the difference to vanilla in the share kept of vanilla's gain",
    "pareto": "differences to vanilla in the shares kept of the seed's safety and of vanilla's gain",
}
PAIRED_TESTS = "exact McNemar test for one seed, else bootstrap over prompts and seeds,"


def notes_on(shown: Sequence[Pooled], recommendation: Recommendation | None) -> list[str]:
    """The lines, those alone that the table needs."""
    records = [one.record for one in shown]
    notes = ["[a, b]: 95 % interval in percent. More is better, but for over-refusal less."]
    if any((rate := rate_of(record, m)) and rate.unparsed for record in records for m in METRICS):
        notes.append("k?: k answers without a verdict; they count in n, but not as safe, refused or correct.")
    if any(one.seeds > 1 for one in shown):
        notes.append("k seeds: means over so many trainings; intervals cover prompts and seeds.")
    notes += _chosen_rows(records)
    notes += [f"Run on {'; '.join(words)}." for words in [hardware_of(records)] if words]
    if recommendation and recommendation.comparisons:
        notes.append(
            f"{MEANINGS[recommendation.kind]}, with 95 % intervals that hold for all candidates together."
        )
        test = "exact McNemar test" if all(one.seeds == 1 for one in shown) else PAIRED_TESTS
        notes.append(f"p of RSR: {test} against vanilla on the same prompts, unadjusted.")
    return notes


def _chosen_rows(records: Sequence[TrialRecord]) -> list[str]:
    """Which suite, attack and judge the rates are of, where there are several."""
    rows = next((record.generations for record in records if record.generations), ())
    parts = {(row.metric, row.suite, row.attack, row.judge) for row in rows}
    chosen = [headline(rows, metric)[0] for metric in METRICS if any(row.metric == metric for row in rows)]
    if len(parts) == len(chosen):
        return []
    told = [f"{METRICS[row.metric]} {row.suite}, {row.attack}, {row.judge}" for row in chosen]
    return [f"Rates by suite, attack and judge: {'; '.join(told)}. All others: store.rates_by."]


def hardware_of(records: Sequence[TrialRecord]) -> list[str]:
    """Return in words on what ranks and in which precision the trials ran, each kind once."""
    kinds = Counter(
        (
            record.workers,
            record.config.get("gpus_per_worker"),
            record.config.get("cpus_per_worker"),
            record.config.get("training", {}).get("precision"),
        )
        for record in records
        if record.workers is not None
    )
    return [
        f"{Placement(workers, cpus, gpus)} in {precision}" + (f" ({trials} trials)" if len(kinds) > 1 else "")
        for (workers, gpus, cpus, precision), trials in kinds.items()
        if isinstance(gpus, int | float) and isinstance(cpus, int | float)
    ]


def rate_of(record: TrialRecord, metric: str) -> Rate | None:
    """The trial's own rate of a metric."""
    rate: Rate | None = getattr(record, metric)
    return rate
