"""Rates of configurations: intervals, spread over seeds, differences to vanilla on the same prompts."""

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from analysis.scores import Answers, Scores, interval, student

METRICS = ("rsr", "jsr", "safety", "over_refusal", "utility")
"""`safety` is the mean of RSR and JSR, as in the paper's Table 1."""
FIELDS = pa.schema(
    [
        ("configuration", pa.int64()),
        ("metric", pa.string()),
        ("seeds", pa.int64()),
        *((name, pa.float64()) for name in ("value", "low", "high", "spread")),
        ("n", pa.int64()),
        ("unparsed", pa.int64()),
        *((name, pa.float64()) for name in ("change", "change_low", "change_high")),
    ]
)
KEYS = ("run", "trial_id", "seed", "role", "model", "task")
Rows = list[dict[str, Any]]
"""Trials of one configuration, with `KEYS`."""
Ends = tuple[float | None, float | None]


class Measured(NamedTuple):
    """A configuration's metric: its prompts, mean credit by prompt, rate by seed, and the columns.

    The credit is None if the prompts of random seeds, or of RSR and JSR, differ.
    """

    prompts: tuple[tuple[str, str], ...]
    credit: Any
    rates: dict[int, float]
    columns: dict[str, Any]


def measures(configured: pa.Table, scores: Scores) -> pa.Table:
    """Return a row for each configuration and measured metric; all values are in 0..1.

    With one random seed, the interval is the rate's (Wilson, or Student for scores). With several, value is
    the mean of the seeds' rates, spread their standard deviation, and the interval the wider of Student's
    over seeds and over the prompts' means, so that neither source of variation is understated. n counts
    prompts, unparsed counts answers of all seeds. change is the difference to vanilla, prompt by prompt, with
    an interval made in the same way (over the differences of seeds that both have, else of all seeds to
    vanilla's mean); null if vanilla was evaluated on other prompts.
    """
    trials: dict[int, list[dict[str, Any]]] = {}
    for row in configured.select(["configuration", *KEYS]).to_pylist():
        trials.setdefault(row["configuration"], []).append(row)
    references = [own for own in trials.values() if own[0]["role"] == "vanilla"]
    rows = []
    for number, own in trials.items():
        reference = vanilla_of(own, references)
        for metric in METRICS:
            found = _measure(own, metric, scores)
            if found is None:
                continue
            against = _measure(reference, metric, scores) if reference else None
            made = found.columns
            if against and own[0]["role"] != "vanilla":
                made |= _change(found, against)
            rows.append({"configuration": number, "metric": metric, **made})
    return pa.Table.from_pylist(rows, FIELDS)


def vanilla_of(own: Rows, vanilla: Sequence[Rows]) -> Rows | None:
    """Return vanilla's configuration of the same model and task, from the same run if there is one."""
    alike = [rows for rows in vanilla if all(rows[0][key] == own[0][key] for key in ("model", "task"))]
    runs = {row["run"] for row in own}
    return next((rows for rows in alike if runs & {row["run"] for row in rows}), alike[0] if alike else None)


def _measure(trials: Rows, metric: str, scores: Scores) -> Measured | None:
    names = ("rsr", "jsr") if metric == "safety" else (metric,)
    every: list[Answers] = []
    rates: dict[int, float] = {}
    for trial in trials:
        found = [scores.of(trial["run"], trial["trial_id"], name) for name in names]
        own = [answers for answers in found if answers is not None]
        if len(own) == len(names):
            every += own
            rates[trial["seed"]] = fmean(answers.rate for answers in own)
    if not rates:
        return None
    credit = None
    if all(answers.prompts == every[0].prompts for answers in every):
        credit = np.mean([answers.credit for answers in every], axis=0)
    one = len(every) == 1 and every[0].whole
    low, high = _wider(
        (None, None) if credit is None else interval(credit, one), student(list(rates.values()))
    )
    columns = {
        "seeds": len(rates),
        "value": fmean(rates.values()),
        "low": None if low is None else max(low, 0.0),
        "high": None if high is None else min(high, 1.0),
        "spread": stdev(rates.values()) if len(rates) > 1 else None,
        "n": len(every[0].prompts),
        "unparsed": sum(answers.unparsed for answers in every),
    }
    return Measured(every[0].prompts, credit, rates, columns)


def _change(own: Measured, vanilla: Measured) -> dict[str, Any]:
    change = own.columns["value"] - vanilla.columns["value"]
    if own.credit is None or vanilla.credit is None or own.prompts != vanilla.prompts:
        return {"change": change}
    shared = own.rates.keys() & vanilla.rates.keys()
    if len(shared) > 1:
        changes = [own.rates[seed] - vanilla.rates[seed] for seed in sorted(shared)]
    else:
        changes = [rate - vanilla.columns["value"] for rate in own.rates.values()]
    low, high = _wider(student(own.credit - vanilla.credit), student(changes))
    return {"change": change, "change_low": low, "change_high": high}


def _wider(one: Ends, other: Ends) -> Ends:
    known = [(low, high) for low, high in (one, other) if low is not None and high is not None]
    return max(known, key=lambda ends: ends[1] - ends[0], default=(None, None))
