"""Commits of trials one after another, each timed."""

import tempfile
import time
from typing import Any

from benchmarks.analysis_scale.synthesis import SPACE
from benchmarks.analysis_scale.trials import Trials
from benchmarks.common import Raw
from lookahead_ray import store
from lookahead_ray.config.load import load_sweep
from lookahead_ray.evaluate.results import Generation


def measure(variant: str, settings: dict[str, Any]) -> Raw:
    """Return milliseconds of each commit but the first, which imports modules and creates directories."""
    sweep = load_sweep(SPACE)
    identity = store.SweepIdentity.new("commit", sweep.hash, sweep.resolved)
    maker = Trials(sweep, identity.sweep_id, settings["generations"], seed=0)
    commits = []
    with tempfile.TemporaryDirectory() as run:
        opened = store.create(run, identity)
        for number in range(settings["trials"] + 1):
            record, table = maker.make(number, "search")
            rows = table.drop_columns(["sweep_id", "trial_id"]).to_pylist()
            whole = record.with_measured(generations=tuple(Generation(**row) for row in rows))
            start = time.perf_counter()
            opened.commit(whole)
            commits.append({"milliseconds": 1000 * (time.perf_counter() - start)})
    return {"commits": commits[1:]}
