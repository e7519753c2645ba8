"""Earlier runs, as named by `search.warm_start`."""

from dataclasses import replace
from pathlib import Path

import pytest

from lookahead_ray import store
from lookahead_ray.config.load import Sweep, content_hash, load_sweep, trial_json
from lookahead_ray.entrypoints.sweep import read_warm_start
from lookahead_ray.errors import ConfigError
from tests.factory import make_record

SPACE = """
task: {name: word_problems}
preview: {strategy: true, length_tokens: {int: [1, 4]}}
search: {warm_start: [RUN]}
"""


@pytest.fixture
def space(tmp_path: Path) -> Sweep:
    path = tmp_path / "space.yaml"
    path.write_text(SPACE.replace("RUN", str(tmp_path / "earlier")))
    return load_sweep(path)


def earlier_run(space: Sweep, *lengths: int, **hashes: str) -> None:
    """Return a run with a completed trial of each length, and the hash of other contents."""
    identity = store.SweepIdentity.new("earlier", "h", {}, hashes)
    writer = store.create(space.search.warm_start[0], identity)
    for length in lengths:
        config = trial_json(space.trial(lambda dimension, length=length: length))
        record = make_record(length, sweep_id=writer.identity.sweep_id)
        params = {"preview.length_tokens": length}
        writer.commit(replace(record, config=config, config_hash=content_hash(config), params=params))


def test_trials_that_would_be_the_same_here_are_taken(space: Sweep) -> None:
    earlier_run(space, 1, 3, task="a")
    warm = read_warm_start(space, {"task": "a"})
    run = space.search.warm_start[0]
    assert [trial.name for trial in warm.trials] == [f"{run}/trial-1", f"{run}/trial-3"]
    assert warm.lines == (f"warm start from {run}: 2 of 2 trials",)


def test_other_data_are_refused_in_a_line_that_names_them(space: Sweep) -> None:
    earlier_run(space, 1, task="b")
    with pytest.raises(ConfigError, match=r"space\.yaml: search\.warm_start\.0: .* other contents of task$"):
        read_warm_start(space, {"task": "a"})


def test_a_path_without_a_run_is_refused(space: Sweep) -> None:
    with pytest.raises(
        ConfigError, match=r"space\.yaml: search\.warm_start\.0: .*must be the directory of a"
    ):
        read_warm_start(space, {})
