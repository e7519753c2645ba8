"""Paired tests against vanilla on the same prompts, corrected for multiple testing."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from scipy.stats import wilcoxon  # type: ignore[import-untyped]
from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped]

from analysis.scores import Answers, Scores
from lookahead_ray.stats.mcnemar import mcnemar_p

ALPHA = 0.05
KEYS = ("run", "model", "task", "configuration", "label", "trial_id", "seed")
METRICS = ("rsr", "jsr", "over_refusal", "utility")
FIELDS = pa.schema(
    [
        *((name, pa.string()) for name in ("run", "model", "task")),
        ("configuration", pa.int64()),
        ("label", pa.string()),
        ("trial_id", pa.string()),
        ("seed", pa.int64()),
        ("metric", pa.string()),
        *((name, pa.float64()) for name in ("value", "vanilla", "change")),
        *((name, pa.int64()) for name in ("n", "gained", "lost", "unparsed", "vanilla_unparsed")),
        ("test", pa.string()),
        *((name, pa.float64()) for name in ("p", "p_holm")),
        ("differs", pa.bool_()),
    ]
)


def paired(configured: pa.Table, scores: Scores) -> pa.Table:
    """Return a test of each trained trial and metric against vanilla, of the same run and seed if possible.

    gained and lost count prompts on which only the trial succeeds, and on which only the trial fails.
    Unparsed answers count as failures: not safe, not correct, not refused. The test is McNemar's exact one,
    or Wilcoxon's for scores between 0 and 1. p_holm is Holm-corrected over all tests of the table; differs
    means p_holm < 0.05. There is no test if vanilla was evaluated on other prompts.
    """
    rows = configured.to_pylist()
    vanilla = [row for row in rows if row["role"] == "vanilla"]
    made = []
    for row in rows:
        against = _vanilla(row, vanilla)
        if row["role"] in ("seed", "vanilla") or against is None:
            continue
        for metric in METRICS:
            own = scores.of(row["run"], row["trial_id"], metric)
            other = scores.of(against["run"], against["trial_id"], metric)
            if own is not None and other is not None:
                keys = {name: row[name] for name in KEYS}
                made.append({**keys, "metric": metric, **_pair(own, other)})
    tested = [row for row in made if row["p"] is not None]
    if tested:
        differs, corrected, _, _ = multipletests([row["p"] for row in tested], alpha=ALPHA, method="holm")
        for row, one, p in zip(tested, differs, corrected, strict=True):
            row |= {"p_holm": float(p), "differs": bool(one)}
    return pa.Table.from_pylist(made, FIELDS)


def alike_best(configured: pa.Table, scores: Scores, run: str, metric: str) -> tuple[str, list[str]] | None:
    """Return the label of the run's best configuration by a metric, and those not significantly different.

    Only the first trial of each configuration counts, without references; None if no trial has the metric.
    The best has the highest value, for over_refusal the lowest. Since the same data selected it, p is
    Bonferroni-corrected for the tests of all pairs.
    """
    found: dict[int, tuple[str, Answers]] = {}
    for row in configured.to_pylist():
        own = scores.of(run, row["trial_id"], metric) if row["run"] == run else None
        if own is not None and row["role"] not in ("seed", "vanilla"):
            found.setdefault(row["configuration"], (row["label"], own))
    if not found:
        return None
    sign = -1 if metric == "over_refusal" else 1
    (label, best), *others = sorted(found.values(), key=lambda one: -sign * one[1].rate)
    pairs = len(found) * (len(found) - 1) / 2
    tested = [(other, _pair(best, own)["p"]) for other, own in others]
    return label, [other for other, p in tested if p is None or p * pairs >= ALPHA]


def _vanilla(row: dict[str, Any], vanilla: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    alike = [one for one in vanilla if all(one[key] == row[key] for key in ("model", "task"))]
    return max(alike, key=lambda one: (one["run"] == row["run"], one["seed"] == row["seed"]), default=None)


def _pair(own: Answers, other: Answers) -> dict[str, Any]:
    made: dict[str, Any] = {
        "value": own.rate,
        "vanilla": other.rate,
        "change": own.rate - other.rate,
        "n": len(own.prompts),
        "unparsed": own.unparsed,
        "vanilla_unparsed": other.unparsed,
        "p": None,
    }
    if own.prompts != other.prompts:
        return {**made, "test": "none: other prompts"}
    x, y = own.credit, other.credit
    made |= {"gained": int((x > y).sum()), "lost": int((x < y).sum())}
    if own.whole and other.whole:
        return {**made, "test": "McNemar", "p": mcnemar_p(*sorted((made["gained"], made["lost"])))}
    p = float(wilcoxon(x, y).pvalue) if (x != y).any() else 1.0
    return {**made, "test": "Wilcoxon", "p": p}
