"""Storage of a sweep's trials as Arrow tables, on any file system that fsspec supports.

    <run>/sweep.json                          identity of the sweep (`SweepIdentity`)
    <run>/tables/<table>/<trial_id>.parquet   trials, steps, signals, generations, token_kl; at a URL with the
                                              number of the driver's lease and of its attempt in the name
    <run>/commits/<trial_id>.json             written last: makes the trial visible to readers, or all
                                              points of a training with several shares
    <run>/judged/<trial_id>.json              in its place once a judge that was down has judged
    <run>/lock                                locked by the driver that writes (`lock`); at a URL instead:
    <run>/ledger/, heartbeats/                who holds the run (`ledger`, `lease`)
    <run>/session.json                        the current or last driver (`Session`)
    <run>/verdicts/<judge>/<trial_id>.parquet  verdicts given afterwards (`write_verdicts`)

Write with `create` while holding `lock`, read with `open`.
"""

from lookahead_ray.store.hold import Hold
from lookahead_ray.store.identity import SweepIdentity
from lookahead_ray.store.lease import QUIET_S
from lookahead_ray.store.lock import lock
from lookahead_ray.store.rates import rates_by, recompute_rates
from lookahead_ray.store.reader import Run, chat_date_of, open, precision_of, trial_ids
from lookahead_ray.store.schemas import SCHEMA_VERSION, SCHEMAS, TABLES, TableName
from lookahead_ray.store.session import (
    How,
    Session,
    holder,
    kept,
    lease_of,
    read_session,
    write_session,
)
from lookahead_ray.store.verdicts import VERDICTS, judge_configs, write_verdicts
from lookahead_ray.store.writer import Store, create

__all__ = [
    "QUIET_S",
    "SCHEMAS",
    "SCHEMA_VERSION",
    "TABLES",
    "VERDICTS",
    "Hold",
    "How",
    "Run",
    "Session",
    "Store",
    "SweepIdentity",
    "TableName",
    "chat_date_of",
    "create",
    "holder",
    "judge_configs",
    "kept",
    "lease_of",
    "lock",
    "open",
    "precision_of",
    "rates_by",
    "read_session",
    "recompute_rates",
    "trial_ids",
    "write_session",
    "write_verdicts",
]
