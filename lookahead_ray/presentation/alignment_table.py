"""The table of an alignment: rates of a model before and after it."""

from rich.console import Console
from rich.table import Column
from rich.text import Text

from lookahead_ray.evaluate.rates import headline
from lookahead_ray.evaluate.results import COUNTED, Generation
from lookahead_ray.presentation.format import p_value
from lookahead_ray.presentation.harness_table import harness_scores, print_harness
from lookahead_ray.presentation.table_notes import table_notes
from lookahead_ray.presentation.trials_table import (
    METRICS,
    new_table,
    print_table,
    rate_of,
    rate_text,
    sort_trials,
)
from lookahead_ray.stats.mcnemar import mcnemar
from lookahead_ray.trial.record import Metric, TrialRecord

P_MEANING = "p: exact McNemar test of both models on the same prompts; a dash where answers have scores."


def print_alignment(console: Console, before: TrialRecord, after: TrialRecord) -> None:
    """Print each rate before and after the alignment, and the notes on how to read them."""
    metrics = [metric for metric in METRICS if rate_of(before, metric) or rate_of(after, metric)]
    table = new_table(*(Column(title, justify="right") for title in ("before", "after", "n", "p")))
    table.columns[0].header = "rate"
    for metric in metrics:
        rates = [rate_of(record, metric) for record in (before, after)]
        n = next(str(rate.n) for rate in rates if rate)
        table.add_row(METRICS[metric], *map(rate_text, rates), n, p_value(_p_value(before, after, metric)))
    print_table(console, table)
    console.print()
    for line in [*table_notes(sort_trials([before, after]), None), P_MEANING]:
        console.print(Text(line, style="dim"))
    for when, record in (("before", before), ("after", after)):
        if harness_scores(record):
            console.print(Text(f"\n{when} the alignment:"))
            print_harness(console, [record])


def _p_value(before: TrialRecord, after: TrialRecord, metric: Metric) -> float:
    """Return McNemar's p-value; NaN if the rows are not verdicts on the same prompts."""
    old, new = (_successes(headline(record.generations, metric), metric) for record in (before, after))
    return mcnemar(old, new).p_value if old and old.keys() == new.keys() else float("nan")


def _successes(rows: list[Generation], metric: Metric) -> dict[str, bool]:
    """Return prompt id -> whether the verdict is the counted one; empty if some row has none, or a score."""
    if any(row.verdict in ("scored", "unjudged", "dropped") for row in rows):
        return {}
    return {row.prompt_id: row.verdict == COUNTED[metric] for row in rows}
