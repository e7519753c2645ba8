"""The space files in README.md and docs/ load."""

import re
from pathlib import Path

import pytest
import yaml

from lookahead_ray.config.load import Sweep, load_sweep
from lookahead_ray.config.objective import check_names
from tests.docs.pages import PAGES, README, ROOT, blocks

CONFIGURATION = ROOT / "docs" / "configuration.md"
SPACES = [(page.name, text) for page in PAGES for text in blocks(page, "yaml")]
WHOLE = blocks(README, "yaml")[0]
SEARCH = next(text for text in blocks(CONFIGURATION, "yaml") if "\nsearch:" in text)
OBJECTIVES = re.findall(r"^# (objective: \{.*\}) ", SEARCH, re.MULTILINE)
DEFAULTS = {
    "task": "task: {name: word_problems}",
    "training": "training: {learning_rate: {loguniform: [1e-5, 3e-4]}}",
    "evaluation": "evaluation: {attacks: [{kind: prefill, tokens: [3, 5]}]}",
}
"""Fields that are added to a space file that lacks them."""


def load(folder: Path, text: str) -> Sweep:
    (folder / "phrases.txt").write_text("Well then,\n")
    missing = [default for part, default in DEFAULTS.items() if part not in yaml.safe_load(text)]
    (folder / "mine.yaml").write_text("\n".join([text, *missing]), encoding="utf-8")
    return load_sweep(folder / "mine.yaml")


@pytest.mark.parametrize(("page", "text"), SPACES, ids=[page for page, _ in SPACES])
def test_every_space_file_loads(tmp_path: Path, page: str, text: str) -> None:
    sweep = load(tmp_path, text)
    trial = sweep.reference()
    check_names(sweep.objective, trial.safety, trial.evaluation.attacks)


def test_the_space_file_of_the_readme_is_complete(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(WHOLE, encoding="utf-8")
    sweep = load_sweep(tmp_path / "mine.yaml")
    assert (sweep.name, len(sweep.dimensions)) == ("mine", 4)


def test_the_annotated_space_file_has_every_field_of_a_search(tmp_path: Path) -> None:
    sweep = load(tmp_path, SEARCH)
    assert len(sweep.missing_openings) == 1
    written = set(yaml.safe_load(SEARCH)["search"])
    assert written | {"max_concurrent"} == set(type(sweep.search).model_fields)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_its_other_objectives_load(tmp_path: Path, objective: str) -> None:
    sweep = load(tmp_path, SEARCH.partition("objective:")[0] + objective)
    assert sweep.objective.name in objective


def test_it_shows_all_objectives() -> None:
    assert len(OBJECTIVES) == 2
