"""The precision of a run's trials, which a resumed sweep keeps on another machine."""

from dataclasses import replace
from pathlib import Path

from lookahead_ray import store
from tests.factory import make_record
from tests.store.contract import IDENTITY


def test_a_new_run_has_none(tmp_path: Path) -> None:
    assert store.precision_of(str(tmp_path / "run")) is None


def test_the_one_that_the_sweep_began_with(tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    store.create(run, replace(IDENTITY, precision="fp32"))
    assert store.precision_of(run) == "fp32"
    kept = store.create(run, replace(IDENTITY, precision="bf16"))  # as another machine would choose
    assert (kept.identity.precision, store.precision_of(run)) == ("fp32", "fp32")


def test_earlier_runs_have_it_in_their_trials(tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    opened = store.create(run, IDENTITY)
    (tmp_path / "run" / "sweep.json").write_text(
        (tmp_path / "run" / "sweep.json").read_text().replace(',\n  "precision": null', "")
    )
    assert store.precision_of(run) is None  # nothing is committed yet
    record = make_record(1)
    training = {**record.config["training"], "precision": "bf16"}
    opened.commit(replace(record, config={**record.config, "training": training}))
    assert "precision" not in (tmp_path / "run" / "sweep.json").read_text()
    assert store.precision_of(run) == "bf16"
