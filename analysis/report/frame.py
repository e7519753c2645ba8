"""The trials with derived columns, and the selection of trials that are shown individually."""

from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from analysis.naming import row_kind, row_label
from analysis.report.data.columns import finite, one_of
from analysis.report.text import short
from lookahead_ray.objective.base import safety_kept, utility_gained
from lookahead_ray.objective.dominance import front

ORDER = {"seed": 0, "vanilla": 1, "search": 2, "repeat": 2, "evaluate": 2}
ADDED = ("number", "label", "kind", "merit", "kept", "gained")
"""Columns that `framed` adds."""


def framed(trials: pa.Table) -> pa.Table:
    """Return `trials` with the columns `ADDED`.

    These are number (position in the order of commits, from 1), label (of the configuration), kind (seed,
    vanilla, none, true, virtual), merit (the objective, or the product of the positive parts of several), and
    kept and gained (S and U of objective/base.py, relative to the first completed reference trials).

    NaN and infinity become null in the numbers that figures draw.
    """
    trials = trials.combine_chunks()  # one chunk per trial's file: filters over many chunks take seconds
    rows = trials.select(["role", "strategy", "config", "params", "objectives"]).to_pylist()
    labels = [short(row_label(row), 110) for row in rows]
    kinds = [row_kind(row) for row in rows]
    products = [
        prod(max(aim, 0.0) for aim in row["objectives"]) if row["objectives"] else None for row in rows
    ]
    for name in (*_measures(trials), "objective", "constraint", "safety", "flops"):
        trials = trials.set_column(trials.schema.get_field_index(name), name, finite(trials[name]))
    kept, gained = _relative(trials)
    added = {
        "number": pa.array(range(1, len(rows) + 1), pa.int64()),
        "label": pa.array(labels, pa.string()),
        "kind": pa.array(kinds, pa.string()),
        "merit": finite(pc.coalesce(trials["objective"], pa.array(products, pa.float64()))),
        "kept": kept,
        "gained": gained,
    }
    for name, column in added.items():
        trials = trials.append_column(name, column)
    return trials.combine_chunks()


def completed(frame: pa.Table) -> pa.Table:
    """Return the completed trials."""
    return frame.filter(pc.equal(frame["status"], "completed"))


def searched(frame: pa.Table) -> pa.Table:
    """Return the completed trials without the reference trials."""
    found = completed(frame)
    return found.filter(pc.invert(one_of(found["role"], ("seed", "vanilla"))))


def ranked(frame: pa.Table) -> list[str]:
    """Return the ids of all completed trials: references, then those that keep the floor, each best first."""
    rows = completed(frame).select(["trial_id", "role", "constraint", "merit", "number"]).to_pylist()
    return [row["trial_id"] for row in sorted(rows, key=_standing)]


def front_ids(frame: pa.Table, x: str, y: str) -> list[str]:
    """Return the ids of the completed trials but the seed model that no other dominates in both columns."""
    done = completed(frame)
    trained = done.filter(pc.not_equal(done["role"], "seed"))
    rows = trained.select(["trial_id", x, y]).to_pylist()
    pairs = {(row[x], row[y]): row["trial_id"] for row in reversed(rows) if None not in (row[x], row[y])}
    return [pairs[pair] for pair in front(pairs)]


def chosen_ids(frame: pa.Table, first: Iterable[str], most: int) -> list[str]:
    """Return at most `most` completed trials: references, then `first`, then the best of the rest."""
    order = ranked(frame)
    roles = dict(zip(frame["trial_id"].to_pylist(), frame["role"].to_pylist(), strict=True))
    references: dict[str, str] = {}
    for trial_id in order:
        if roles[trial_id] in ("seed", "vanilla"):
            references.setdefault(roles[trial_id], trial_id)
    known = frozenset(order)
    wanted = [*references.values(), *(i for i in first if i in known), *order]
    return list(dict.fromkeys(wanted))[:most]


def _measures(trials: pa.Table) -> Sequence[str]:
    ends = ("", "_low", "_high")
    return [f"{name}{end}" for name in ("rsr", "jsr", "over_refusal", "utility") for end in ends]


def _relative(trials: pa.Table) -> tuple[Any, Any]:
    seed, vanilla = (_first(trials, role) for role in ("seed", "vanilla"))
    kept: list[float | None] = [None] * trials.num_rows
    gained = kept
    if seed and seed["safety"]:
        kept = [
            one if one is None else safety_kept(one, seed["safety"]) for one in trials["safety"].to_pylist()
        ]
    if seed and vanilla and None not in (seed["utility"], vanilla["utility"]) and vanilla["utility_n"]:
        ends = seed["utility"], vanilla["utility"], vanilla["utility_n"]
        gained = [one if one is None else utility_gained(one, *ends) for one in trials["utility"].to_pylist()]
    return pa.array(kept, pa.float64()), pa.array(gained, pa.float64())


def _first(trials: pa.Table, role: str) -> dict[str, Any] | None:
    wanted = pc.and_(pc.equal(trials["role"], role), pc.equal(trials["status"], "completed"))
    rows = trials.filter(wanted).slice(0, 1).select(["safety", "utility", "utility_n"]).to_pylist()
    return rows[0] if rows else None


def _standing(row: dict[str, Any]) -> tuple[int, int, float, int]:
    broken = (row["constraint"] or 0.0) > 0
    worth = row["constraint"] if broken else 0.0 if row["merit"] is None else -row["merit"]
    return ORDER[row["role"]], 2 * (row["merit"] is None) or int(broken), worth, row["number"]
