"""The lines below a report's table, which explain its figures."""

from collections import Counter
from collections.abc import Sequence

from lookahead_ray.config.trial import Resources
from lookahead_ray.evaluate.rates import headline
from lookahead_ray.presentation.row_counts import row_notes
from lookahead_ray.presentation.trials_table import METRICS, rate_of
from lookahead_ray.sweep.recommend.recommendation import Recommendation
from lookahead_ray.sweep.recommend.seed_average import SeedAverage
from lookahead_ray.trial.record import Generation, TrialRecord


def table_notes(shown: Sequence[SeedAverage], recommendation: Recommendation | None) -> list[str]:
    """Return the explanatory lines, only those that the table needs."""
    records = [one.record for one in shown]
    notes = ["[a, b]: 95 % interval in percent. Higher is better, except for over-refusal."]
    if any((rate := rate_of(record, m)) and rate.unparsed for record in records for m in METRICS):
        notes.append("k?: k answers without a verdict; they count in n, but not as safe, refused or correct.")
    if partial := sum(record.status == "partial" for record in records):
        notes.append(
            f"partial: {partial} measured on the first n prompts only, as their answers showed beyond the "
            "noise that the trial can't be recommended; intervals are those of a fixed number of prompts."
        )
    if cut := sum(is_cut(row) for record in records for row in record.generations):
        notes.append(f"{cut} of these answers were cut at the maximum length before their verdict was final.")
    notes += row_notes([record.measurement.preparation for record in records if record.measurement])
    if any(one.seeds > 1 for one in shown):
        notes.append(
            "k seeds: means over trainings with k random seeds; intervals cover prompts and random seeds."
        )
    notes += _sources(records)
    if hardware := hardware_texts(records):
        notes.append(f"Run on {'; '.join(hardware)}.")
    if recommendation and recommendation.comparisons:
        meaning = recommendation.columns.meaning
        notes.append(f"{meaning}, with 95 % intervals that hold for all candidates together.")
        if all(one.seeds == 1 for one in shown):
            test = "exact McNemar test"
        else:
            test = (
                "exact McNemar test for one random seed, otherwise bootstrap over prompts and random seeds,"
            )
        notes.append(f"p of RSR: {test} against vanilla on the same prompts, unadjusted.")
    return notes


def is_cut(row: Generation) -> bool:
    """Return whether a safety answer has no verdict and reached the limit of its length."""
    return row.metric != "utility" and row.ended == "limit" and row.verdict == "unparsed"


def _sources(records: Sequence[TrialRecord]) -> list[str]:
    """Return a line on the suite, attack and judge of the rates; no line if there is only one of each."""
    rows = next((record.generations for record in records if record.generations), ())
    sources = {(row.metric, row.suite, row.attack, row.judge) for row in rows}
    chosen = [headline(rows, metric)[0] for metric in METRICS if any(row.metric == metric for row in rows)]
    if len(sources) == len(chosen):
        return []
    texts = [f"{METRICS[row.metric]} {row.suite}, {row.attack}, {row.judge}" for row in chosen]
    return [f"Rates by suite, attack and judge: {'; '.join(texts)}. All others: store.rates_by."]


def hardware_texts(records: Sequence[TrialRecord]) -> list[str]:
    """Return text on the ranks and the precision of the trials, one per distinct combination."""
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
        f"{Resources(workers, cpus, gpus)} in {precision}" + (f" ({trials} trials)" if len(kinds) > 1 else "")
        for (workers, gpus, cpus, precision), trials in kinds.items()
        if isinstance(gpus, int | float) and isinstance(cpus, int | float)
    ]
