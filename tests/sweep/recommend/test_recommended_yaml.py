"""recommended.yaml: trains exactly the recommended configuration."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lookahead_ray.config.dimension import corners
from lookahead_ray.config.load import load_sweep, trial_json
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.entrypoints.train import only_trial
from lookahead_ray.sweep.recommend.recommendation import Recommendation
from lookahead_ray.sweep.recommend.recommended_yaml import save_recommended, train_command
from lookahead_ray.trial.record import TrialRecord
from tests.presentation.records import HOSTILE, record, virtual

SPACES = sorted((Path(__file__).parents[3] / "tuning_spaces").glob("*.yaml"))


def of(config: dict[str, Any], trial_id: str = "a") -> TrialRecord:
    return replace(record(trial_id), config=config)


def saved(path: Path, config: dict[str, Any]) -> Path:
    about = Recommendation("a", "It keeps more.", (), ())
    vanilla = replace(record("v", "vanilla"), config={**config, "preview": {"strategy": "none"}})
    written = save_recommended(path, "mine", "runs/mine", [vanilla, of(config)], about)
    assert written == path
    return path


def config_of(prefix: str) -> dict[str, Any]:
    preview = {**virtual(prefix), "connector": prefix}
    return trial_json(TrialConfig.model_validate({"task": {"name": "word_problems"}, "preview": preview}))


@pytest.mark.parametrize("space", SPACES, ids=lambda path: path.stem)
def test_every_trial_of_every_shipped_space_reads_back(tmp_path: Path, space: Path) -> None:
    for corner in corners(load_sweep(space).template):
        config = trial_json(TrialConfig.model_validate(corner))
        back = load_sweep(saved(tmp_path / "recommended.yaml", config))
        assert trial_json(only_trial(back, [])) == config
        assert back.dimensions == ()
        assert back.name == "mine-recommended"


@pytest.mark.parametrize(
    "prefix",
    [
        HOSTILE,
        "true",
        "1e-5",
        "null",
        "{choice: [a, b]}",
        "'\"",
        "a\nb: c\n# d",
        "数学 😀",
        " lead and trail ",
    ],
)
def test_any_prefix_reads_back(tmp_path: Path, prefix: str) -> None:
    path = saved(tmp_path / "recommended.yaml", config_of(prefix))
    assert trial_json(only_trial(load_sweep(path), []))["preview"]["prefix"] == prefix
    text = path.read_text(encoding="utf-8")
    assert all(char.isprintable() for line in text.split("\n") for char in line)


def test_the_head_names_its_origin(tmp_path: Path) -> None:
    head = saved(tmp_path / "new" / "recommended.yaml", config_of("Sure. ")).read_text().splitlines()[:7]
    assert head[0] == "# Recommended by the sweep in runs/mine: virtual, “Sure.”."
    assert head[1] == "# Trial a, 1 random seed; 95 % intervals:"
    assert head[2].startswith("# RSR 60 % [52, 68], n = 160; vanilla 60 % [")
    assert head[6] == "# It keeps more."


def test_without_a_recommendation_no_file_is_left(tmp_path: Path) -> None:
    path = saved(tmp_path / "recommended.yaml", config_of("Sure. "))
    nothing = Recommendation(None, "no", (), ())
    assert save_recommended(path, "mine", "runs/mine", [record("a")], nothing) is None
    assert not path.exists()
    assert save_recommended(path, "mine", "runs/mine", [record("a")], nothing) is None


def test_the_command_that_trains_it() -> None:
    assert train_command(Path("runs/a b/recommended.yaml")) == (
        "lookahead-ray train 'runs/a b/recommended.yaml' --output 'runs/a b/recommended'"
    )
