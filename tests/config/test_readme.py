"""The space files in README.md load."""

import re
from pathlib import Path

import pytest
import yaml

from lookahead_ray.config.load import load_sweep
from lookahead_ray.config.objective import check_names

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
WHOLE, SEARCH = BLOCKS[:2]
REST = """
task: {name: word_problems}
training: {learning_rate: {loguniform: [1e-5, 3e-4]}}
evaluation: {attacks: [{kind: prefill, tokens: [3, 5]}]}
"""
OBJECTIVES = re.findall(r"^# (objective: \{.*\}) ", SEARCH, re.MULTILINE)


def write(folder: Path, text: str) -> Path:
    (folder / "phrases.txt").write_text("Well then,\n")
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    return folder / "mine.yaml"


def test_the_first_is_whole(tmp_path: Path) -> None:
    sweep = load_sweep(write(tmp_path, WHOLE))
    assert (sweep.name, len(sweep.dimensions)) == ("mine", 4)


def test_the_second_says_all_there_is_to_say_of_a_search(tmp_path: Path) -> None:
    sweep = load_sweep(write(tmp_path, SEARCH + REST))
    assert len(sweep.asks) == 1
    told = yaml.safe_load(SEARCH)["search"]
    assert set(told) | {"max_concurrent"} == set(type(sweep.search).model_fields)
    trial = sweep.reference()
    check_names(sweep.objective, trial.safety, trial.evaluation.attacks)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_so_are_its_other_objectives(tmp_path: Path, objective: str) -> None:
    sweep = load_sweep(write(tmp_path, SEARCH.partition("objective:")[0] + REST + objective))
    assert sweep.objective.name in objective


def test_all_objectives_are_there() -> None:
    assert len(OBJECTIVES) == 2
