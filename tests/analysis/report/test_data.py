"""The report's numbers equal those of the tables."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from scipy.stats import t as student

from analysis.report.data import answers, curves, tables
from analysis.report.data.columns import take_ids
from analysis.report.data.coordinates import coordinates
from analysis.report.data.history import hypervolume_history, objective_history
from analysis.report.data.importance import TARGETS, distributions, importances
from analysis.report.frame import chosen_ids, completed, framed, front_ids, ranked, searched
from analysis.report.sections.blocks import share
from analysis.report.sections.results import RATE_COLUMNS
from analysis.report.sections.search import _thinned
from analysis.report.sections.tables import table_1
from analysis.report.sections.view import View, view_of
from analysis.report.source import Source, open_source
from lookahead_ray import store
from lookahead_ray.evaluate.rates import wilson
from lookahead_ray.objective.dominance import hypervolume
from tests.analysis.report.runs import HOSTILE, hostile, sweep, write_run
from tests.factory import with_others


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return open_source(write_run(tmp_path_factory.mktemp("runs") / "run", map(with_others, sweep())))


@pytest.fixture(scope="module")
def frame(source: Source) -> pa.Table:
    return framed(source.read("trials"))


@pytest.fixture(scope="module")
def view(source: Source) -> View:
    return view_of(source)


def test_reading_with_projection_gives_the_stores_rows(source: Source) -> None:
    opened = store.open(source.run)
    for table in store.TABLES:
        assert source.read(table).equals(opened.table(table))
    some = source.read("generations", ("trial_id", "verdict"), ["trial-3", "trial-5"])
    whole = opened.generations().select(["trial_id", "verdict"])
    assert some.to_pylist() == [r for r in whole.to_pylist() if r["trial_id"] in ("trial-3", "trial-5")]


def test_table_1_shows_what_generations_give(source: Source, view: View) -> None:
    rates = store.recompute_rates(store.open(source.run).generations()).to_pylist()
    recomputed = {(row["trial_id"], row["metric"]): row for row in rates}
    grid = table_1(view).grids[0]
    assert [cell.below.split(" · ")[0] for cell in (row[0] for row in grid.rows)] == view.shown
    assert len(grid.rows) == view.completed == 16
    for row, trial_id in zip(grid.rows, view.shown, strict=True):
        for place, metric in enumerate(("rsr", "jsr", "over_refusal", "utility")):
            cell, found = row[1 + 2 * place], recomputed[trial_id, metric]
            low, high = wilson(round(found["value"] * found["n"]), found["n"])
            assert cell.text == f"{share(found['value'])} [{share(low)}, {share(high)}]"
            unparsed = f", {found['unparsed']} unparsed" if found["unparsed"] else ""
            assert cell.below == f"n {found['n']}{unparsed}"


def test_differences_are_to_vanilla(frame: pa.Table) -> None:
    made = tables.table_1(frame, ranked(frame), {}).to_pylist()
    vanilla = next(row for row in made if row["role"] == "vanilla")
    for row in made:
        assert row["rsr_change"] == pytest.approx(row["rsr"] - vanilla["rsr"])
    costs = tables.table_2(frame, ranked(frame)).to_pylist()
    assert all(row["flops_ratio"] == pytest.approx(1.0) for row in costs)


def test_jsr_by_length_is_rates_by_with_wilson_intervals(source: Source, frame: pa.Table) -> None:
    made = curves.jsr_by_length(
        source.read("generations", RATE_COLUMNS, ["trial-0", "trial-1"]),
        take_ids(frame, ["trial-1", "trial-0"]),
    ).to_pylist()
    assert [(row["trial_id"], row["tokens"]) for row in made] == [
        ("trial-1", 0), ("trial-1", 3), ("trial-1", 10), ("trial-0", 0), ("trial-0", 3), ("trial-0", 10)
    ]  # fmt: skip
    for row in made:
        low, high = wilson(round(row["value"] * row["n"]), row["n"])
        assert (row["low"], row["high"]) == pytest.approx((low, high))


def test_kl_is_the_mean_with_students_interval(source: Source, frame: pa.Table) -> None:
    rows = source.read("token_kl", ("trial_id", "position", "value"), ["trial-2"])
    made = curves.kl_by_position(rows, take_ids(frame, ["trial-2"]))
    stored = take_ids(frame, ["trial-2"])["kl"][0].as_py()
    assert made["value"].to_pylist() == pytest.approx(stored)
    first = rows.filter(pc.equal(rows["position"], 1))["value"].to_numpy()
    low, high = student.interval(0.95, len(first) - 1, first.mean(), first.std(ddof=1) / len(first) ** 0.5)
    assert made["high"][0].as_py() == pytest.approx(high)
    assert made["low"][0].as_py() == pytest.approx(max(low, 0.0))


def test_a_mark_of_one_trial_has_its_interval_and_one_of_several_their_range(frame: pa.Table) -> None:
    means = curves.summary(curves.preview_lengths(frame), "length_tokens").to_pylist()
    assert {row["length_tokens"] for row in means} == {0, 3, 6}
    rsr = next(row for row in means if row["length_tokens"] == 6 and row["metric"] == "rsr")
    six = frame.filter(pc.and_(pc.equal(frame["length_tokens"], 6), pc.not_equal(frame["role"], "seed")))
    values = six["rsr"].to_pylist()
    assert (rsr["low"], rsr["high"], rsr["trials"]) == (min(values), max(values), len(values))
    one = curves.summary(curves.preview_lengths(six.slice(0, 1)), "length_tokens").to_pylist()
    assert one[1]["low"] == six["rsr_low"][0].as_py()


def test_merged_models_are_not_in_the_figures_of_previews(frame: pa.Table) -> None:
    def with_share(value: float | None) -> pa.Table:
        column = pa.array([value] * frame.num_rows, pa.float64())
        return frame.set_column(frame.schema.get_field_index("share"), "share", column)

    for figure in (curves.preview_lengths, curves.prefixes):
        assert figure(frame).num_rows
        assert figure(with_share(None)).equals(figure(frame))  # older runs
        assert not figure(with_share(0.5)).num_rows


def test_hypervolume_grows_to_that_of_all_trials(frame: pa.Table) -> None:
    areas = hypervolume_history(frame)["hypervolume"].to_pylist()
    found = searched(frame)
    assert areas == sorted(areas)
    assert areas[-1] == pytest.approx(
        hypervolume(zip(found["kept"].to_pylist(), found["gained"].to_pylist(), strict=True))
    )


def test_best_so_far_ignores_trials_below_the_floor(frame: pa.Table) -> None:
    place = frame.schema.get_field_index("constraint")
    merit = searched(frame)["merit"].to_pylist()
    top = max(merit)
    broken = pc.if_else(pc.equal(frame["merit"], top), 0.1, -0.1)
    history = objective_history(frame.set_column(place, "constraint", broken))
    assert history["merit"].to_pylist() == merit
    assert history["best"].to_pylist()[-1] == max(value for value in merit if value != top)


def test_the_front_and_the_shown_trials(frame: pa.Table) -> None:
    ids = front_ids(frame, "utility", "rsr")
    rows = {row["trial_id"]: row for row in completed(frame).to_pylist() if row["role"] != "seed"}
    assert "vanilla" in {row["role"] for row in rows.values()}
    for row in rows.values():
        beaten = [i for i in ids if rows[i]["rsr"] >= row["rsr"] and rows[i]["utility"] >= row["utility"]]
        assert beaten, row["trial_id"]
    assert chosen_ids(frame, ["trial-7"], 4)[:3] == ["trial-900", "trial-901", "trial-7"]
    assert len(chosen_ids(frame, [], 4)) == 4


def test_importance_finds_the_dimension_that_decides(frame: pa.Table) -> None:
    made = importances(frame)
    assert set(made["target"].to_pylist()) == set(TARGETS)
    assert distributions([{"a": 1}, {"a": 3, "b": "x"}, {"b": "y", "c": 5}]).keys() == {"a", "b"}
    rng = np.random.default_rng(0)
    rate, noise = rng.uniform(0, 1, 60), rng.uniform(0, 1, 60)
    params = [f'{{"rate": {a}, "noise": {b}}}' for a, b in zip(rate, noise, strict=True)]
    columns = {
        "status": ["completed"] * 60, "role": ["search"] * 60, "params": params,
        "trial_id": [f"t{n}" for n in range(60)], "training_id": [f"t{n}" for n in range(60)],
        **dict.fromkeys(TARGETS, rate),
    }  # fmt: skip
    decided = importances(pa.table(columns)).to_pylist()
    shares = {row["parameter"]: row["importance"] for row in decided if row["target"] == "merit"}
    assert shares["rate"] > 0.8
    assert sum(shares.values()) == pytest.approx(1)
    columns["training_id"] = [f"t{n - n % 10}" for n in range(60)]  # each at ten shares
    assert not importances(pa.table(columns)).num_rows


def test_coordinates_lie_on_their_axes(frame: pa.Table) -> None:
    axes, lines = coordinates(frame, 10)
    assert [axis.name for axis in axes][-4:] == ["RSR", "JSR", "utility", "objective"]
    assert len(lines) == 10
    places = [place for row in lines["places"].to_pylist() for place in row if place is not None]
    assert 0 <= min(places) <= max(places) <= 1
    assert lines["places"][9].as_py()[-1] == 1.0


def test_a_sample_has_every_stratum() -> None:
    words = pa.table({"verdict": ["safe"] * 990 + ["unsafe"] * 8 + ["unparsed"] * 2})
    places = answers.pick(words, 30, np.random.default_rng(0))
    drawn = [words["verdict"][place].as_py() for place in places]
    assert places == sorted(set(places))
    assert [drawn.count(name) for name in ("safe", "unsafe", "unparsed")] == [20, 8, 2]


def test_answers_are_visible_and_cut(tmp_path: Path) -> None:
    records = sweep(trials=1)
    run = write_run(tmp_path / "run", [hostile(records[2])])
    rows = answers.sample(open_source(run), ["trial-0"])
    found = dict(zip(HOSTILE, rows, strict=False))
    assert found["script"]["answer"] == HOSTILE["script"]
    assert found["turned"]["answer"].startswith("safe ⟨U+202E⟩evil⟨U+202C⟩")
    assert "⟨U+0000⟩" in found["surrogate"]["answer"]
    assert (len(found["long"]["answer"]), found["long"]["answer_cut"]) == (2000, 998_000)
    assert not any(character in row["answer"] for row in rows for character in "\u202e\x00\u2028")


def test_nan_and_infinity_become_null(tmp_path: Path) -> None:
    records = sweep(trials=3)
    rate = records[2].utility
    assert rate is not None
    records[2] = replace(records[2], utility=replace(rate, value=float("nan")), objective=float("inf"))
    made = framed(open_source(write_run(tmp_path / "run", records)).read("trials"))
    row = take_ids(made, ["trial-0"]).to_pylist()[0]
    assert (row["utility"], row["gained"], row["objective"]) == (None, None, None)
    assert row["rsr"] == records[2].rsr.value  # type: ignore[union-attr]


def test_a_long_history_is_thinned_with_a_note() -> None:
    history = pa.table({"number": range(1, 2502)})
    shown, note = _thinned(history)
    assert len(shown) == 835
    assert (shown["number"][0].as_py(), shown["number"][-1].as_py()) == (1, 2501)
    assert note == " Of 2,501 trials one in 3 is drawn."
    assert _thinned(history.slice(0, 900)) == (history.slice(0, 900), "")
