"""Every configuration's rates: intervals, spread over seeds, differences to vanilla on the same prompts."""

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

import pyarrow as pa

from analysis.scores import Scores, by_prompt, interval, student

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
Credits = dict[tuple[str, str], float]
"""(suite, prompt id) -> credit in 0..1."""
Trial = tuple[str, str]
"""Run and trial id."""
Measured = tuple[Credits | None, dict[str, Any]]
"""Mean credit by prompt, None where seeds (or RSR and JSR) have other prompts; and the columns."""


def measures(configured: pa.Table, scores: Scores) -> pa.Table:
    """A row for each configuration and metric that was measured; all values in 0..1.

    With one seed the interval is the rate's (Wilson, or Student for scores). With several, value is the mean
    of the seeds' rates, spread their standard deviation, and the interval Student's over the prompts' means,
    so the one tells how training varies and the other how prompts do. n counts prompts, unparsed answers of
    all seeds. change is the difference to vanilla, its interval Student's over the prompts' differences; null
    where vanilla was asked other prompts.
    """
    trials: dict[int, list[dict[str, Any]]] = {}
    for row in configured.select(["configuration", "run", "trial_id", "role", "model", "task"]).to_pylist():
        trials.setdefault(row["configuration"], []).append(row)
    rows = []
    for number, own in trials.items():
        reference = vanilla_of(own, trials.values())
        for metric in METRICS:
            found = _measure([(row["run"], row["trial_id"]) for row in own], metric, scores)
            if found is None:
                continue
            answers, made = found
            against = reference and _measure([(r["run"], r["trial_id"]) for r in reference], metric, scores)
            if against and own[0]["role"] != "vanilla":
                made |= _change(answers, against[0], made["value"] - against[1]["value"])
            rows.append({"configuration": number, "metric": metric, **made})
    return pa.Table.from_pylist(rows, FIELDS)


def vanilla_of(own: Sequence[Mapping[str, Any]], every: Any) -> list[dict[str, Any]] | None:
    """The trials of the vanilla configuration of the same model and task, of the same run if there is one."""
    alike = [
        rows
        for rows in every
        if rows[0]["role"] == "vanilla" and all(rows[0][key] == own[0][key] for key in ("model", "task"))
    ]
    runs = {row["run"] for row in own}
    return next((rows for rows in alike if runs & {row["run"] for row in rows}), alike[0] if alike else None)


def _measure(trials: Sequence[Trial], metric: str, scores: Scores) -> Measured | None:
    if metric == "safety":
        return _safety(trials, scores)
    parts = [part for trial in trials if (part := scores.of(*trial, metric)) is not None]
    if not parts:
        return None
    prompts = [by_prompt(part) for part in parts]
    rates = [fmean(one.values()) for one in prompts]
    answers = _mean(prompts)
    whole = len(parts) == 1 and all(parts[0]["whole"].to_pylist())
    low, high = interval(list(answers.values()), whole) if answers else (None, None)
    return answers, {
        "seeds": len(parts),
        "value": fmean(rates),
        "low": low,
        "high": high,
        "spread": stdev(rates) if len(rates) > 1 else None,
        "n": len(prompts[0]),
        "unparsed": sum(sum(part["unparsed"].to_pylist()) for part in parts),
    }


def _safety(trials: Sequence[Trial], scores: Scores) -> Measured | None:
    both = [
        (by_prompt(rsr), by_prompt(jsr))
        for trial in trials
        if (rsr := scores.of(*trial, "rsr")) is not None and (jsr := scores.of(*trial, "jsr")) is not None
    ]
    if not both:
        return None
    rates = [(fmean(rsr.values()) + fmean(jsr.values())) / 2 for rsr, jsr in both]
    answers = _mean([one for pair in both for one in pair])
    low, high = interval(list(answers.values()), False) if answers else (None, None)
    return answers, {
        "seeds": len(both),
        "value": fmean(rates),
        "low": low,
        "high": high,
        "spread": stdev(rates) if len(rates) > 1 else None,
        "n": len(both[0][0]),
    }


def _mean(prompts: Sequence[Credits]) -> Credits | None:
    if any(one.keys() != prompts[0].keys() for one in prompts):
        return None
    return {key: fmean(one[key] for one in prompts) for key in prompts[0]}


def _change(own: Credits | None, vanilla: Credits | None, change: float) -> dict[str, Any]:
    if own is None or vanilla is None or own.keys() != vanilla.keys():
        return {"change": change}
    low, high = student([own[key] - vanilla[key] for key in own])
    return {"change": change, "change_low": low, "change_high": high}
