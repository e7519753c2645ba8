"""The location of files about a run."""

from pathlib import Path

from lookahead_ray.sweep.run_files import local_run_file


def test_into_the_run_or_here_where_the_run_is_elsewhere() -> None:
    assert local_run_file("some/run", "driver.log", "mine") == Path("some/run/driver.log")
    one = local_run_file("s3://bucket/one", "driver.log", "mine")
    assert one.parent == Path("runs")
    assert (one.name.startswith("mine-"), one.name.endswith("-driver.log")) == (True, True)
    assert one == local_run_file("s3://bucket/one/", "driver.log", "mine")
    assert one != local_run_file("s3://bucket/other", "driver.log", "mine")
