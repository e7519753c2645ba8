"""Ranks that hang are distinguished from ranks that are slow or wait for machines."""

from lookahead_ray.trial.worker_group import HangWatch


def test_ranks_hang_after_the_time_without_a_report() -> None:
    now = [0.0]
    watch = HangWatch(2.0, lambda: now[0])
    now[0] = 9999.0  # they wait for machines
    assert watch.hang() is None
    watch.reported()
    now[0] += 119.0
    assert watch.hang() is None
    watch.reported()
    now[0] += 119.0
    assert watch.hang() is None
    now[0] += 1.0
    assert "no progress for 2 minutes (search.hang_minutes)" in (watch.hang() or "")


def test_null_waits_for_ever() -> None:
    now = [0.0]
    watch = HangWatch(None, lambda: now[0])
    watch.reported()
    now[0] = 1e9
    assert watch.hang() is None
