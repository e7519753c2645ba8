"""`clusters/on_premise.yaml` on hosts of this machine: start, a sweep with ranks on two of them, stop."""

import pytest

from lookahead_ray import store
from tests.cluster.on_premise import Cluster
from tests.cluster.submitted import RANK, Submitted, expected_steps

pytestmark = pytest.mark.cluster


def test_ray_up_brings_up_a_head_and_two_workers(cluster: Cluster) -> None:
    assert set(cluster.alive()) == {host.address for host in (cluster.head, *cluster.workers)}
    for host in (cluster.head, *cluster.workers):
        assert len([process for process in host.processes() if process.name() == "raylet"]) == 1
        assert (host.home / ".ray" / "auth_token").stat().st_mode & 0o777 == 0o600


def test_a_trial_has_its_ranks_on_both_workers_under_zero_2(cluster: Cluster, undisturbed: Submitted) -> None:
    undisturbed.wait_for("running: vanilla: training")
    assert set(undisturbed.ranks()) == set(cluster.workers)
    assert not cluster.head.processes(RANK)
    text = undisturbed.finish()
    assert "[3/3] sweep finished" in text
    trials = {row["trial_id"]: row for row in store.open(str(undisturbed.run)).trials().to_pylist()}
    assert set(trials) == {"seed", "vanilla", "search-001"}
    for trial in trials.values():
        assert trial["status"] == "completed"
        assert (trial["workers"], trial["restarts"]) == (2, 0)
    assert [trials[name]["zero_stage"] for name in ("vanilla", "search-001")] == [2, 2]
    assert expected_steps(undisturbed.run)
    assert not list(undisturbed.run.glob("checkpoints/*"))
