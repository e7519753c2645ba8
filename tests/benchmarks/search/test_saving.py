"""The saving by measuring in portions."""

from benchmarks.search.saving import lines, savings
from tests.benchmarks.search.grids import grid_of_shares


def test_points_end_and_no_order_costs_more_than_measuring_all() -> None:
    grid = grid_of_shares()
    found = {each.objective: each for each in savings(grid, orders=2)}
    assert set(found) == {"weighted, w = 0.5", "floor 0.9", "floor 0.8", "pareto"}
    for each in found.values():
        assert 0 < each.generated.median <= 1
        assert 0 <= each.lost <= each.orders == 2
        assert (each.generated.median < 1) == (each.ended.median > 0)
        assert each.points == sum(map(len, grid.trainings.values()))
    assert any(each.ended.median > 0 for each in found.values())


def test_lines_name_objective_tokens_and_losses() -> None:
    first, *_, last = lines(savings(grid_of_shares(), orders=1))
    assert first.startswith("weighted, w = 0.5: ")
    assert "of the tokens, " in first
    assert "the best point in" in first
    assert "a point of the front in" in last
