"""The rates of previews at each share."""

from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.search.curves import curve_points, curve_table, draw_curves, mean_rate
from tests.benchmarks.search.grids import grid_of_shares


def test_each_preview_has_a_point_for_each_share_in_order() -> None:
    grid = grid_of_shares()
    points = curve_points(grid)
    previews = [
        "no preview",
        *(f"true, {n} token{'s' * (n > 1)}" for n in (1, 2, 3)),
        "virtual, “So,”",
        "virtual, “Well,”",
    ]
    assert [(point.preview, point.share) for point in points] == [
        (preview, share) for preview in previews for share in (1.0, 0.75, 0.5)
    ]
    assert {point.trainings for point in points} == {2}


def test_a_rate_is_the_mean_of_its_trainings() -> None:
    grid = grid_of_shares()
    first = curve_points(grid)[0]
    own = [points[0] for points in grid.trainings.values() if points[0].params["preview"] == "none"]
    expected = sum(point.rsr.value for point in own if point.rsr) / len(own)
    found = first.rates["rsr"]
    assert found.value == pytest.approx(expected)
    assert found.low < found.value < found.high
    alone = [mean_rate([grid.answers[point.trial_id]], "rsr") for point in own]
    assert found.high - found.low < max(rate.high - rate.low for rate in alone)


def test_table_and_picture(tmp_path: Path) -> None:
    grid = grid_of_shares()
    points = curve_points(grid)
    console = Console(width=120, record=True, file=(tmp_path / "out").open("w"))
    console.print(curve_table(points, grid))
    text = console.export_text()
    assert text.count("true, 2 tokens") == 3
    assert "seed model" in text
    draw_curves(tmp_path / "curves.png", points, grid)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
