"""Data of the paper's Figures 3, 4 and 5, and of JSR(k)."""

import re

import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import t as student  # type: ignore[import-untyped]

from analysis.report.data.columns import finite, take_ids
from analysis.report.frame import completed
from lookahead_ray.evaluate.rates import wilson
from lookahead_ray.store import rates_by

METRICS = ("rsr", "jsr", "utility")
PREFILL = re.compile(r"prefill_([0-9]+)")


def _long(trials: pa.Table, key: str) -> pa.Table:
    """Return `key`, trial_id, label, metric, value, low, high, n for each trial and measured metric."""
    parts = []
    for metric in METRICS:
        columns = {
            key: trials[key],
            "trial_id": trials["trial_id"],
            "label": trials["label"],
            "metric": pa.array([metric] * trials.num_rows, pa.string()),
            "value": finite(trials[metric]),
            "low": finite(trials[f"{metric}_low"]),
            "high": finite(trials[f"{metric}_high"]),
            "n": trials[f"{metric}_n"],
        }
        parts.append(pa.table(columns))
    every = pa.concat_tables(parts)
    return every.filter(pc.is_valid(every["value"]))


def _plain(frame: pa.Table) -> pa.Table:
    """Return the completed trials of the vanilla method, without the seed model and merged models."""
    done = completed(frame)
    is_whole = pc.equal(pc.fill_null(done["share"], 1.0), 1.0)
    done = done.filter(pc.and_(is_whole, pc.equal(done["method"], "vanilla")))
    return done.filter(pc.not_equal(done["role"], "seed"))


def preview_lengths(frame: pa.Table) -> pa.Table:
    """Return the data of Figure 4 in long form.

    Columns: length_tokens (0 without a preview), trial_id, label, metric, value, low, high, n.
    """
    plain = _plain(frame)
    plain = plain.filter(pc.not_equal(plain["strategy"], "virtual"))
    length = pc.if_else(pc.equal(plain["strategy"], "none"), 0, plain["length_tokens"])
    plain = plain.set_column(plain.schema.get_field_index("length_tokens"), "length_tokens", length)
    return _long(plain.filter(pc.is_valid(plain["length_tokens"])), "length_tokens")


def prefixes(frame: pa.Table) -> pa.Table:
    """Return the data of Figure 5 in long form: prefix, trial_id, label, metric, value, low, high, n."""
    plain = _plain(frame)
    return _long(plain.filter(pc.equal(plain["strategy"], "virtual")), "prefix")


def summary(long: pa.Table, key: str) -> pa.Table:
    """Return `key`, metric, value, low, high, trials, sorted by key and metric.

    A single trial has its own interval; several are summarised by their mean, least and greatest value.
    """
    groups = long.group_by([key, "metric"], use_threads=False).aggregate(
        [
            ("value", "mean"),
            ("value", "min"),
            ("value", "max"),
            ("low", "min"),
            ("high", "max"),
            ([], "count_all"),
        ]
    )
    single = pc.equal(groups["count_all"], 1)
    made = pa.table(
        {
            key: groups[key],
            "metric": groups["metric"],
            "value": groups["value_mean"],
            "low": pc.if_else(single, groups["low_min"], groups["value_min"]),
            "high": pc.if_else(single, groups["high_max"], groups["value_max"]),
            "trials": groups["count_all"],
        }
    )
    return made.sort_by([(key, "ascending"), ("metric", "ascending")])


def kl_by_position(token_kl: pa.Table, labels: pa.Table) -> pa.Table:
    """Return the data of Figure 3.

    Columns: trial_id, label, kind, position, value (mean over prompts, nats), low, high, n. `token_kl` has
    the rows of the trials in `labels` (trial_id, label, kind), whose order is kept. The interval is Student's
    95 % one, cut at 0; null for one prompt.
    """
    sums = (
        token_kl.filter(pc.is_finite(token_kl["value"]))
        .group_by(["trial_id", "position"], use_threads=False)
        .aggregate([("value", "mean"), ("value", "stddev", pc.VarianceOptions(ddof=1)), ([], "count_all")])
    )
    sums = sums.sort_by([("trial_id", "ascending"), ("position", "ascending")])
    n = sums["count_all"].to_numpy()
    error = sums["value_stddev"].to_numpy(zero_copy_only=False) / n**0.5
    low, high = student.interval(0.95, n - 1, sums["value_mean"].to_numpy(), error)
    made = pa.table(
        {
            "trial_id": sums["trial_id"],
            "position": sums["position"],
            "value": sums["value_mean"],
            "low": finite(pa.chunked_array([low.clip(min=0.0)], pa.float64())),
            "high": finite(pa.chunked_array([high], pa.float64())),
            "n": sums["count_all"],
        }
    )
    return _labelled(made, labels)


def jsr_by_length(generations: pa.Table, labels: pa.Table) -> pa.Table:
    """Return JSR(k) by the first judge and on the first suite of the JSR rows.

    Columns: trial_id, label, kind, tokens (of the prefilled harmful opening; 0 is RSR), value, low, high
    (Wilson's 95 % interval), n. Empty unless prefills of at least two lengths were measured.
    """
    jsr = generations.filter(pc.equal(generations["metric"].cast(pa.string()), "jsr")).slice(0, 1).to_pylist()
    if not jsr:
        return _labelled(rates_by(generations.slice(0, 0)).select(["trial_id"]), labels)
    rates = rates_by(generations)
    rates = rates.filter(
        pc.and_(pc.equal(rates["judge"], jsr[0]["judge"]), pc.equal(rates["suite"], jsr[0]["suite"]))
    )
    tokens = [
        0 if metric == "rsr" and attack == "none" else int(found[1]) if metric == "jsr" and found else None
        for metric, attack in zip(rates["metric"].to_pylist(), rates["attack"].to_pylist(), strict=True)
        for found in [PREFILL.fullmatch(attack)]
    ]
    rates = rates.append_column("tokens", pa.array(tokens, pa.int64()))
    rates = rates.filter(pc.is_valid(rates["tokens"])).sort_by(
        [("trial_id", "ascending"), ("tokens", "ascending")]
    )
    if len(set(rates["tokens"].to_pylist()) - {0}) < 2:
        rates = rates.slice(0, 0)
    ends = [
        wilson(round(value * n), n)
        for value, n in zip(rates["value"].to_pylist(), rates["n"].to_pylist(), strict=True)
    ]
    for place, name in enumerate(("low", "high")):
        rates = rates.append_column(name, pa.array([end[place] for end in ends], pa.float64()))
    return _labelled(rates.select(["trial_id", "tokens", "value", "low", "high", "n", "unparsed"]), labels)


def _labelled(rows: pa.Table, labels: pa.Table) -> pa.Table:
    """Return the rows with label and kind, in the order of `labels`."""
    parts = []
    for one in labels.select(["trial_id", "label", "kind"]).to_pylist():
        own = rows.filter(pc.equal(rows["trial_id"], one["trial_id"]))
        for name in ("label", "kind"):
            own = own.append_column(name, pa.array([one[name]] * own.num_rows, pa.string()))
        parts.append(own)
    return pa.concat_tables(parts) if parts else rows


def kl_trials(frame: pa.Table, order: list[str], most: int) -> list[str]:
    """Return the first trial in `order` of each method and preview, vanilla included: at most `most` ids."""
    found: dict[tuple[str, str], str] = {}
    for row in take_ids(frame, order).select(["trial_id", "role", "kind", "method"]).to_pylist():
        if row["role"] != "seed":
            found.setdefault((row["kind"], row["method"]), row["trial_id"])
    return list(found.values())[:most]
