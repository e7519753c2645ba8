"""Write a run with the store and the test factory of an earlier commit.

    git worktree add --detach /tmp/old COMMIT
    cd /tmp/old && PYTHONPATH=. python …/tests/store/old_runs/write_run.py DIRECTORY

`test_old_runs.py` lists the commits. The script uses only names that all of these commits have. The run has
the seed model, vanilla, a completed and a failed search trial.
"""

import dataclasses
import inspect
import sys
from pathlib import Path
from typing import Any

from lookahead_ray import store
from lookahead_ray.config.load import content_hash, load_sweep, trial_json
from lookahead_ray.trial.record import TrialRecord
from tests.factory import make_record

SPACE = Path(__file__).with_name("space.yaml")
HASHES = {"model": "m0", "task": "t0"}
TRIALS = (("seed", 13), ("vanilla", 11), ("search", 18), ("search", 0))
"""Roles, and seeds of the factory that give a safe seed model, an unsafe vanilla and a good candidate."""


def main(run: str) -> None:
    """Write the run to the new directory `run`."""
    sweep = load_sweep(SPACE)
    new: Any = store.SweepIdentity.new
    known = {"hashes": HASHES, "precision": "fp32"}
    accepted = inspect.signature(new).parameters
    identity = new(
        sweep.name, sweep.hash, sweep.resolved, **{key: known[key] for key in known if key in accepted}
    )
    writer = store.create(
        run, dataclasses.replace(identity, sweep_id="old", created_at="2026-11-01T00:00:00+00:00")
    )
    vanilla = trial_json(sweep.reference())
    for number, (role, seed) in enumerate(TRIALS):
        length = 2 * number
        params = {"preview.length_tokens": length} if role == "search" else {}
        config = trial_json(sweep.trial(lambda _, length=length: length)) if params else vanilla
        about = {
            "trial_id": f"search-{number - 1:03d}" if params else role,
            "sweep_id": "old",
            "role": role,
            "config": config,
            "config_hash": content_hash(config),
            "params": params,
        }
        record = make_record(seed, role=role, prompts=12, steps=2)
        if number == 3:
            failed = TrialRecord(
                **about,
                status="failed",
                error="rank 0: ValueError: no",
                seconds_total=4.0,
                started_at=record.started_at,
            )
            writer.commit(failed)
        else:
            writer.commit(dataclasses.replace(record, **about))


main(sys.argv[1])
