"""Importance of the sampled dimensions, by Optuna's PED-ANOVA over the trials table."""

import json
import warnings
from collections.abc import Mapping, Sequence
from math import inf, isfinite
from typing import Any

import optuna
import pyarrow as pa
import pyarrow.compute as pc
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from analysis.report.frame import searched

TARGETS = ("merit", "safety", "utility")
LEAST_TRIALS = 10
SCHEMA = pa.schema(
    [
        ("parameter", pa.string()),
        ("target", pa.string()),
        ("importance", pa.float64()),
        ("trials", pa.int64()),
    ]
)
Params = Mapping[str, Any]


def params_of(trials: pa.Table) -> list[dict[str, Any]]:
    """Return the sampled dimensions of each trial; values other than scalars become JSON text."""
    rows = [json.loads(text) for text in trials["params"].to_pylist()]
    plain = (bool, int, float, str)
    return [
        {str(k): v if isinstance(v, plain) or v is None else json.dumps(v) for k, v in row.items()}
        for row in rows
    ]


def importances(frame: pa.Table) -> pa.Table:
    """Return parameter, target (merit, safety, utility), importance (sums to 1 over parameters), trials.

    A training that was measured at several shares of its merge counts once, with the point of most merit.
    Computed by PED-ANOVA (Watanabe et al. 2023, doi 10.24963/ijcai.2023/488) with Optuna's defaults: how far
    the best tenth of the trials differs from all of them. Dimensions that only some trials have are treated
    by Optuna's conditional PED-ANOVA. Empty with fewer than 10 trainings.
    """
    found = _best_points(searched(frame))
    rows: list[dict[str, Any]] = []
    for target in TARGETS:
        scored = found.filter(pc.is_valid(found[target]))
        params = params_of(scored)
        if scored.num_rows < LEAST_TRIALS or not any(params):
            continue
        numbers = _evaluate(params, scored[target].to_pylist())
        rows += [
            {"parameter": name, "target": target, "importance": value, "trials": scored.num_rows}
            for name, value in numbers.items()
            if isfinite(value)
        ]
    return pa.Table.from_pylist(rows, SCHEMA)


def _best_points(points: pa.Table) -> pa.Table:
    """Return the point of most merit of each training that has sampled dimensions, or else all trainings."""
    rows = points.select(["training_id", "trial_id", "merit", "params"]).to_pylist()
    merits = [-inf if row["merit"] is None else row["merit"] for row in rows]
    best: dict[str, int] = {}
    for index, row in enumerate(rows):
        training = row["training_id"] or row["trial_id"]
        best[training] = max(best.get(training, index), index, key=merits.__getitem__)
    sampled = [index for index in best.values() if json.loads(rows[index]["params"])]
    return points.take(pa.array(sampled or list(best.values()), pa.int64()))


def _evaluate(params: Sequence[Params], values: Sequence[float]) -> dict[str, float]:
    spaces = distributions(params)
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(direction="maximize")
        study.add_trials(
            [
                optuna.trial.create_trial(
                    params={name: row[name] for name in row if name in spaces},
                    distributions={name: spaces[name] for name in row if name in spaces},
                    value=value,
                )
                for row, value in zip(params, values, strict=True)
            ]
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings on experimental features and rare dimensions
            return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    finally:
        optuna.logging.set_verbosity(level)


def distributions(params: Sequence[Params]) -> dict[str, BaseDistribution]:
    """Return the dimensions that vary, with their sampled range; logarithmic if positive over two decades."""
    found: dict[str, BaseDistribution] = {}
    for name in dict.fromkeys(name for row in params for name in row):
        values = [row[name] for row in params if name in row]
        kinds = {type(value) for value in values}
        if len(set(values)) < 2:
            continue
        if kinds == {int}:
            found[name] = IntDistribution(min(values), max(values))
        elif kinds <= {int, float} and all(map(isfinite, values)):
            low, high = float(min(values)), float(max(values))
            found[name] = FloatDistribution(low, high, log=low > 0 and high / low >= 100)
        else:
            found[name] = CategoricalDistribution(list(dict.fromkeys(values)))
    return found
