"""Where files about a run go."""

from pathlib import Path

from lookahead_ray.sweep.places import beside


def test_into_the_run_or_here_where_the_run_is_elsewhere() -> None:
    assert beside("some/run", "driver.log", "mine") == Path("some/run/driver.log")
    assert beside("s3://bucket/run", "driver.log", "mine") == Path("runs/mine-driver.log")
