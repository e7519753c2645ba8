"""Utilisation of an autoscaled cluster by a sweep."""

import pytest

from benchmarks.placement import Hold, busy_share, measure_placement


def hold(received: float, returned: float, gpus: int = 4) -> Hold:
    return Hold("t", received, received, returned, gpus, 1)


def test_busy_is_the_held_share_of_available_gpu_time_until_the_last_trial_starts() -> None:
    samples = [(0.0, 0), (1.0, 1), (2.0, 1), (3.0, 1), (4.0, 1), (9.0, 1)]
    assert busy_share([hold(1.0, 9.0), hold(3.0, 9.0)], samples) == pytest.approx((4 + 4) / (8 + 8))
    assert busy_share([hold(1.0, 2.5, 8), hold(3.0, 9.0, 8)], samples) == pytest.approx(1.5 / 2)
    assert busy_share([hold(1.0, 5.0), hold(1.0, 5.0), hold(4.0, 5.0)], samples) == pytest.approx(1.0)


@pytest.mark.cluster
def test_forty_trials_of_four_gpus_on_up_to_four_nodes() -> None:
    found = measure_placement(nodes=4, trials=40, seconds=20.0, idle_minutes=0.2)
    assert (found.trials, found.most_nodes, found.spread) == (42, 4, 0)
    assert found.busy >= 0.85
    assert found.seconds_until_all_nodes < 120
    assert found.seconds_until_no_node < 120
