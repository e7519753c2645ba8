"""Every trial of a sweep as Arrow tables, on any file system that fsspec reaches.

    <run>/sweep.json                          whose trials these are (`SweepIdentity`)
    <run>/tables/<table>/<trial_id>.parquet   trials, steps, signals, generations, token_kl
    <run>/commits/<trial_id>.json             written last: from here on readers see the trial
    <run>/verdicts/<judge>/<trial_id>.parquet  verdicts given afterwards (`write_verdicts`)

Write with `create` while holding `lock`, read with `open`.
"""

from lookahead_ray.store.identity import SweepIdentity
from lookahead_ray.store.lock import lock
from lookahead_ray.store.rates import rates_by, recompute_rates
from lookahead_ray.store.reader import Run, open, trial_ids
from lookahead_ray.store.schemas import SCHEMA_VERSION, SCHEMAS, TABLES, TableName
from lookahead_ray.store.verdicts import VERDICTS, judge_configs, write_verdicts
from lookahead_ray.store.writer import Store, create

__all__ = [
    "SCHEMAS",
    "SCHEMA_VERSION",
    "TABLES",
    "VERDICTS",
    "Run",
    "Store",
    "SweepIdentity",
    "TableName",
    "create",
    "judge_configs",
    "lock",
    "open",
    "rates_by",
    "recompute_rates",
    "trial_ids",
    "write_verdicts",
]
