"""Construction of jobs with ids from configurations."""

from collections.abc import Sequence
from typing import Any

from lookahead_ray.config.load import Sweep, trial_json
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.label import label
from lookahead_ray.trial.record import Role, TrialRecord

REFERENCE_ROLES: tuple[Role, ...] = ("seed", "vanilla")


def make_job(trial_id: str, role: Role, config: TrialConfig, params: dict[str, Any]) -> Job:
    """Return a job with its configuration as JSON values and a short label."""
    resolved = trial_json(config)
    return Job(
        trial_id=trial_id, role=role, config=resolved, params=params, label=label(resolved, role, params)
    )


def reference_jobs(sweep: Sweep, committed: Sequence[TrialRecord]) -> list[Job]:
    """Return jobs for the seed model as it is and for vanilla, unless completed; failed ones run again.

    Unjudged ones don't: their answers are judged again. The training of vanilla is measured at all shares of
    the space's merge, as it is paid for: the further points are candidates.
    """
    configs = {"seed": sweep.reference(), "vanilla": sweep.reference_training()}
    jobs = []
    for role in REFERENCE_ROLES:
        tries = [record for record in committed if record.role == role]
        if not any(record.status in ("completed", "unjudged") for record in tries):
            trial_id = f"{role}-{len(tries) + 1}" if tries else role
            jobs.append(make_job(trial_id, role, configs[role], {}))
    return jobs


def number_of(job: Job) -> int:
    """Return the job's number: 7 for search-007."""
    return int(job.trial_id.rpartition("-")[2])
