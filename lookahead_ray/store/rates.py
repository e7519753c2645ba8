"""Rates from generations, independent of what the trial itself reported."""

import pyarrow as pa
import pyarrow.compute as pc

from lookahead_ray.store.schemas import INT, REAL, TEXT
from lookahead_ray.trial.record import COUNTED

RATES_SCHEMA = pa.schema(
    [
        pa.field("sweep_id", TEXT, nullable=False),
        pa.field("trial_id", TEXT, nullable=False),
        pa.field("metric", TEXT, nullable=False),
        pa.field("value", REAL, nullable=False, metadata={"unit": "0..1"}),
        pa.field("n", INT, nullable=False, metadata={"unit": "prompts"}),
        pa.field("unparsed", INT, nullable=False, metadata={"unit": "prompts"}),
    ]
)


def recompute_rates(generations: pa.Table) -> pa.Table:
    """One row for each trial and metric that has rows in `generations`, sorted by sweep_id, trial_id, metric.

    `value` (0..1) is the share of the metric's counted verdict (`COUNTED`) among all `n` rows, unparsed
    included.
    """
    metric = generations["metric"].cast(TEXT)
    verdict = generations["verdict"].cast(TEXT)
    wanted = pa.array(COUNTED.values(), TEXT).take(pc.index_in(metric, pa.array(COUNTED.keys(), TEXT)))
    judged = pa.table(
        {
            "sweep_id": generations["sweep_id"],
            "trial_id": generations["trial_id"],
            "metric": metric,
            "counted": pc.equal(verdict, wanted).cast(INT),
            "unparsed": pc.equal(verdict, "unparsed").cast(INT),
        }
    )
    keys = ["sweep_id", "trial_id", "metric"]
    sums = judged.group_by(keys).aggregate([("counted", "sum"), ("unparsed", "sum"), ([], "count_all")])
    value = pc.divide(sums["counted_sum"].cast(REAL), sums["count_all"].cast(REAL))
    columns = [*(sums[key] for key in keys), value, sums["count_all"], sums["unparsed_sum"]]
    return pa.Table.from_arrays(columns, schema=RATES_SCHEMA).sort_by([(key, "ascending") for key in keys])
