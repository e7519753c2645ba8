"""Every trial of a sweep as Arrow tables, on any file system that fsspec reaches.

    <run>/sweep.json                          whose trials these are (`SweepIdentity`)
    <run>/tables/<table>/<trial_id>.parquet   trials, steps, generations, token_kl
    <run>/commits/<trial_id>.json             written last: from here on readers see the trial

Write with `create`, read with `open`.
"""

from lookahead_ray.store.identity import SweepIdentity
from lookahead_ray.store.rates import recompute_rates
from lookahead_ray.store.reader import Run, open
from lookahead_ray.store.schemas import SCHEMA_VERSION, SCHEMAS, TABLES, TableName
from lookahead_ray.store.writer import Store, create

__all__ = [
    "SCHEMAS",
    "SCHEMA_VERSION",
    "TABLES",
    "Run",
    "Store",
    "SweepIdentity",
    "TableName",
    "create",
    "open",
    "recompute_rates",
]
