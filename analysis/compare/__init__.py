"""Comparison of sweeps: paired tests, replication over random seeds, and differences within the noise."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa

from analysis import configurations, scores
from analysis.compare.replication import replicated, side_by_side
from analysis.compare.tests import METRICS, alike_best, paired
from analysis.runs import open_runs
from lookahead_ray.errors import LookaheadRayError

NAMES = {"rsr": "RSR", "jsr": "JSR", "over_refusal": "over-refusal", "utility": "utility"}
MOST_NAMED = 4
TRAINED = ("vanilla", "search", "repeat")  # roles


class Comparison(NamedTuple):
    """Results of `compare`; see the functions of the same names."""

    overview: pa.Table
    tests: pa.Table
    side_by_side: pa.Table
    replicated: pa.Table
    sentences: tuple[str, ...]


def compare(runs: Sequence[str]) -> Comparison:
    """Compare the runs' completed trials.

    Raises `LookaheadRayError` if a run can't be read or no trial is completed.
    """
    opened = open_runs(runs)
    trials = opened.table("trials", (*configurations.COLUMNS, "training_id"))
    configured = configurations.configured(trials)
    if not configured.num_rows:
        names = ", ".join(one.run for one in opened.runs)
        raise LookaheadRayError(f"{names}: must have a completed trial, got none ({trials.num_rows} others)")
    found = scores.Scores(opened.whole_trials("generations", scores.COLUMNS))
    tests = paired(configured, found)
    running = {one.name: one.running for one in opened.runs}
    return Comparison(
        overview(trials, configured, running),
        tests,
        side_by_side(configured, found),
        replicated(configured, found, tests),
        tuple(sentences(configured, found, tests)),
    )


def overview(trials: pa.Table, configured: pa.Table, running: dict[str, bool | None]) -> pa.Table:
    """Return a row for each run.

    Columns: run, models, tasks, seeds, trainings, trials (measured at one share of a training each),
    completed, in part (measured on some of the prompts), others (failed, stopped or unjudged), running (or
    "not known").
    """
    rows = []
    measured = trials.select(["run", "trial_id", "training_id", "role", "status"]).to_pylist()
    shown = configured.select(["run", "model", "task", "seed"]).to_pylist()
    for run, goes_on in running.items():
        of_run = [row for row in measured if row["run"] == run]
        status = Counter(row["status"] for row in of_run)
        trainings = {row["training_id"] or row["trial_id"] for row in of_run if row["role"] in TRAINED}
        own = [row for row in shown if row["run"] == run]
        rows.append(
            {
                "run": run,
                "models": ", ".join(sorted({row["model"] for row in own})),
                "tasks": ", ".join(sorted({row["task"] for row in own})),
                "seeds": ", ".join(map(str, sorted({row["seed"] for row in own}))),
                "trainings": len(trainings),
                "trials": len(of_run),
                "completed": status["completed"],
                "in part": status["partial"],
                "others": len(of_run) - status["completed"] - status["partial"],
                "running": {True: "yes", False: "no", None: "not known"}[goes_on],
            }
        )
    return pa.Table.from_pylist(rows)


def sentences(configured: pa.Table, found: scores.Scores, tests: pa.Table) -> Iterator[str]:
    """Yield sentences per run and metric on significant differences to vanilla, and on ties with the best.

    A configuration with several random seeds differs only if it does with each of them, in one direction.
    """
    rows = tests.to_pylist()
    for run in dict.fromkeys(configured["run"].to_pylist()):
        for metric in METRICS:
            own = [row for row in rows if (row["run"], row["metric"]) == (run, metric)]
            if own:
                yield _against_vanilla(run, metric, own)
            if len({row["configuration"] for row in own}) > 1:  # a single one is no winner
                yield _best(run, metric, alike_best(configured, found, run, metric))
    if not rows and not any(role not in ("seed", "vanilla") for role in configured["role"].to_pylist()):
        yield "No trained trial besides vanilla was completed, so there is nothing to test."
    elif not rows:
        yield "No trained trial can be tested: there is no vanilla trial of the same model and task."


def _against_vanilla(run: str, metric: str, own: list[dict[str, object]]) -> str:
    groups: dict[str, list[dict[str, object]]] = {}
    for row in own:
        groups.setdefault(str(row["label"]), []).append(row)
    above = [
        name for name, g in groups.items() if all(r["differs"] and float(str(r["change"])) > 0 for r in g)
    ]
    below = [
        name for name, g in groups.items() if all(r["differs"] and float(str(r["change"])) < 0 for r in g)
    ]
    same = len(groups) - len(above) - len(below)
    parts = [f"above vanilla beyond the noise: {_named(above)}"] if above else []
    parts += [f"below: {_named(below)}"] if below else []
    parts += [f"{same} of {len(groups)} indistinguishable from vanilla"] if same else []
    return f"{run}, {NAMES[metric]}: {'; '.join(parts)}."


def _best(run: str, metric: str, found: tuple[str, list[str]] | None) -> str:
    assert found is not None, (run, metric)
    label, alike = found
    extreme = "lowest" if metric == "over_refusal" else "highest"
    if alike:
        names = _named(alike)
        return f"{run}, {NAMES[metric]}: no winner; {extreme} is {label}, indistinguishable from {names}."
    return f"{run}, {NAMES[metric]}: {label} is {extreme}, and differs from all others beyond the noise."


def _named(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(f"({name})" for name in names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
