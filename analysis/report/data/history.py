"""History of the search: the objective and the hypervolume by trial."""

from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc

from analysis.report.frame import searched
from lookahead_ray.objective.dominance import Pair, front, hypervolume


def objective_history(frame: pa.Table) -> pa.Table:
    """Return number, label, merit, best for each scored trial of the search, in the order of the commits.

    Trials that break the floor don't increase `best`, which is null until one keeps the floor.
    """
    found = searched(frame)
    found = found.filter(pc.is_valid(found["merit"]))
    keeps = pc.less_equal(pc.fill_null(found["constraint"], 0.0), 0.0)
    worth = pc.if_else(keeps, found["merit"], float("-inf")).to_pylist()
    best = [None if value == float("-inf") else value for value in accumulate(worth, max)]
    return found.select(["number", "label", "merit"]).append_column("best", pa.array(best, pa.float64()))


def hypervolume_history(frame: pa.Table) -> pa.Table:
    """Return number, hypervolume: the area above (0, 0) that the trials so far dominate in the S-U plane."""
    found = searched(frame).select(["number", "kept", "gained"])
    found = found.filter(pc.and_(pc.is_valid(found["kept"]), pc.is_valid(found["gained"])))
    numbers, areas = [], []
    best: list[Pair] = []
    area = 0.0
    for row in found.to_pylist():
        pair = (row["kept"], row["gained"])
        if not any(safety >= pair[0] and utility >= pair[1] for safety, utility in best):
            best = front([*best, pair])
            area = hypervolume(best)
        numbers.append(row["number"])
        areas.append(area)
    return pa.table({"number": pa.array(numbers, pa.int64()), "hypervolume": pa.array(areas, pa.float64())})
