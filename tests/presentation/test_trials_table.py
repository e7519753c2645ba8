"""The order of the trials in tables."""

from lookahead_ray.presentation.trials_table import sort_trials
from tests.presentation.records import sweep


def test_references_come_first_then_configurations_by_objective() -> None:
    ids = [one.record.trial_id for one in sort_trials(reversed(sweep()))]
    assert ids == ["t0", "t1", "t5", "t3", "t4", "t6", "t2", "t7"]
