"""Where files about a run go."""

from pathlib import Path

from lookahead_ray.sweep.places import beside


def test_into_the_run_or_here_where_the_run_is_elsewhere() -> None:
    assert beside("some/run", "driver.log", "mine") == Path("some/run/driver.log")
    one = beside("s3://bucket/one", "driver.log", "mine")
    assert one.parent == Path("runs")
    assert (one.name.startswith("mine-"), one.name.endswith("-driver.log")) == (True, True)
    assert one == beside("s3://bucket/one/", "driver.log", "mine")
    assert one != beside("s3://bucket/other", "driver.log", "mine")
