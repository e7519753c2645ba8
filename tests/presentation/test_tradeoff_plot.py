import math
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from lookahead_ray.config.objective import FloorObjective, Objective, ParetoObjective, SafetyPart
from lookahead_ray.presentation.tradeoff_plot import draw_tradeoff
from lookahead_ray.presentation.tradeoff_points import pareto_front, points_of, short
from lookahead_ray.sweep.recommend.recommendation import Recommendation
from lookahead_ray.sweep.recommend.seed_average import average_over_seeds
from lookahead_ray.trial.record import TrialRecord
from tests.presentation.records import HOSTILE, rate, recommendation, record, sweep, true, virtual


def size(path: Path) -> tuple[int, int]:
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def test_a_whole_sweep_makes_two_panels(tmp_path: Path) -> None:
    draw_tradeoff(sweep(), recommendation(), tmp_path / "new" / "two.png")
    draw_tradeoff([replace(r, jsr=None) for r in sweep()], recommendation(), tmp_path / "one.png")
    width, height = size(tmp_path / "new" / "two.png")
    assert width >= 1200
    assert height > size(tmp_path / "one.png")[1]


ODD: dict[str, list[TrialRecord]] = {
    "nothing": [],
    "one trial": [record("a", preview=true(6))],
    "one failed trial": [record("a", rates=None, status="failed", error="x")],
    "no number": [replace(record("a"), utility=rate(math.nan)), record("b")],
    "all the same": [record(str(n), preview=true(n + 1)) for n in range(5)],
    "extremes": [record("a", rates=(0, 0, 0, 0)), record("b", rates=(1, 1, 1, 1))],
    "hostile prefix": [record("a", preview=virtual(p)) for p in (HOSTILE, "$x^{$", "数学 مرحبا", " ")],
    "value outside of its interval": [replace(record("a"), rsr=replace(rate(0.5), low=0.6, high=0.4))],
    "long lengths": [record(str(n), preview=true(n)) for n in (1, 2, 63, 64, 512)],
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", ODD)
def test_odd_sweeps_are_drawn(tmp_path: Path, case: str) -> None:
    draw_tradeoff(ODD[case], Recommendation(None, "", (), ()), tmp_path / "odd.png")
    size(tmp_path / "odd.png")


def test_what_cannot_be_drawn_is_left_out() -> None:
    ids = [point.trial_id for point in points_of(sweep(), "rsr")]
    assert ids == ["t0", "t1", "t2", "t3", "t4", "t5", "t6"]
    assert not points_of([replace(record("a"), jsr=None)], "jsr")
    assert not points_of([replace(record("a"), rsr=rate(math.inf))], "rsr")
    assert not points_of([replace(record("a"), status="partial")], "rsr")


def test_points_say_what_they_tried() -> None:
    texts = {point.trial_id: (point.kind, point.text) for point in points_of(sweep(), "rsr")}
    assert texts["t0"] == ("seed", "seed")
    assert texts["t4"] == ("true", "12")
    assert texts["t5"] == ("virtual", "“Let's solve it.”")
    assert len(short(HOSTILE)) <= 28
    assert all(c.isprintable() for c in short(HOSTILE))


def test_labels_distinguish_methods_and_defences() -> None:
    others = {
        "method": {"name": "sdft"},
        "defence": {"mix": {"share": 0.1}},
        "merge": {"name": "linear", "share": 0.75},
    }
    plain = [record("a", preview={"strategy": "none"}), record("b", preview=true(6))]
    records = [replace(each, config={**each.config, **others}) for each in plain]
    texts = [(point.kind, point.text) for point in points_of(records, "rsr")]
    additions = "sdft, safety mix 10 %, share 0.75"
    assert texts == [("other", additions), ("true", f"6, {additions}")]


def test_the_front_holds_what_nothing_trained_beats() -> None:
    assert [point.trial_id for point in pareto_front(points_of(sweep(), "rsr"))] == ["t5", "t3", "t2"]
    assert pareto_front([]) == []


@pytest.mark.parametrize(
    "objective",
    [
        FloorObjective(name="floor", floor=0.8),
        FloorObjective(name="floor", floor=0.5, relative_to="none"),
        ParetoObjective(name="pareto"),
    ],
    ids=["floor, of the seed", "floor, a rate", "pareto"],
)
def test_a_floor_and_a_front_have_a_panel_of_their_safety(tmp_path: Path, objective: Objective) -> None:
    draw_tradeoff(sweep(), recommendation(), tmp_path / "three.png", objective)
    draw_tradeoff(sweep(), recommendation(), tmp_path / "two.png")
    assert size(tmp_path / "three.png")[1] > size(tmp_path / "two.png")[1]
    draw_tradeoff([], None, tmp_path / "empty.png", objective)


def test_repeats_are_one_point_with_their_trial(tmp_path: Path) -> None:
    again = replace(sweep()[3], trial_id="again", role="repeat", config={**sweep()[3].config, "seed": 1})
    records = [one.record for one in average_over_seeds([*sweep(), again])]
    assert points_of(records, "rsr") == points_of(sweep(), "rsr")


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are written."""
    figures: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *args, **kwargs: figures.append(figure))
    return figures


def test_the_floor_is_visible_where_no_trial_is_near_it(tmp_path: Path, drawn: list[Figure]) -> None:
    low = FloorObjective(name="floor", floor=0.05, relative_to="none")
    draw_tradeoff(sweep(), recommendation(), tmp_path / "low.png", low)
    bottom, top = drawn[0].axes[0].get_ylim()
    assert bottom < 5 < top


def test_a_safety_that_is_rsr_alone_has_no_panel_of_its_own(tmp_path: Path, drawn: list[Figure]) -> None:
    floor = FloorObjective(name="floor", floor=0.8, safety=(SafetyPart(metric="rsr"),))
    records = [replace(record, safety=record.rsr.value if record.rsr else None) for record in sweep()]
    draw_tradeoff(records, recommendation(), tmp_path / "two.png", floor)
    draw_tradeoff(records, recommendation(), tmp_path / "plain.png")
    with_floor, plain = (figure.axes[0] for figure in drawn)
    assert with_floor.get_ylabel() == plain.get_ylabel()
    assert len(with_floor.lines) == len(plain.lines) + 1  # the floor


def test_a_trial_without_jsr_is_inside_the_other_panels(tmp_path: Path, drawn: list[Figure]) -> None:
    seed = record("s", "seed", rates=(0.9, 0.9, 0.1, 0.01))
    trials = [replace(seed, jsr=None), *(record(str(n), preview=true(n)) for n in (1, 2))]
    draw_tradeoff(trials, None, tmp_path / "jsr.png")
    assert drawn[0].axes[0].get_xlim()[0] < 1
