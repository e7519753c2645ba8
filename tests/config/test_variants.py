"""A registry's entries extend a union of configuration classes: validation, errors, JSON, overrides."""

import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from pydantic import Field

from lookahead_ray.config.evaluation import EvaluationConfig
from lookahead_ray.config.judge import JudgeBase, KeywordJudge, Measures
from lookahead_ray.config.load import Sweep, content_hash, load_sweep, trial_json, validate_tree
from lookahead_ray.config.task import SampledTask
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.config.variants import Variant
from lookahead_ray.data.tasks.registry import TASKS
from lookahead_ray.errors import ConfigError
from lookahead_ray.evaluate.judges.registry import BUILDERS, judge_id


class Limit(JudgeBase):
    """Nested model of an added judge."""

    words: int = Field(12, ge=1)


class AddedJudge(JudgeBase):
    """A judge that only a registry lists."""

    name: Literal["added"] = "added"
    limit: Limit = Limit()
    cache: str | None = None
    measures: ClassVar[Measures] = "refusal"
    indecisive: ClassVar[frozenset[str]] = frozenset({"cache"})


class AddedTask(SampledTask):
    """A task that only a registry lists."""

    name: Literal["added"]
    hard: bool = False


SPACE = """
task: {name: added, path: rows.jsonl, hard: {choice: [true, false]}}
evaluation: {judges: [{name: keyword}, {name: added, limit: {words: 3}}]}
"""


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(config: Any) -> Any:
        raise NotImplementedError

    monkeypatch.setitem(BUILDERS, "added", Variant(AddedJudge, build))
    monkeypatch.setitem(TASKS, "added", Variant(AddedTask, build))  # type: ignore[arg-type]


def load(folder: Path, *overrides: str) -> Sweep:
    (folder / "space.yaml").write_text(SPACE)
    return load_sweep(folder / "space.yaml", overrides)


def test_fields_of_an_added_variant_are_dimensions(tmp_path: Path) -> None:
    sweep = load(tmp_path)
    (dimension,) = sweep.dimensions
    assert str(dimension) == "task.hard: one of True, False"
    assert sweep.trial(lambda _: False).task == AddedTask(name="added", train_path="rows.jsonl")
    assert sweep.reference().evaluation.judges[1] == AddedJudge(limit=Limit(words=3))


def test_a_trial_survives_json_and_pickle_without_warnings(tmp_path: Path) -> None:
    config = load(tmp_path).reference()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = trial_json(config)
        assert written["evaluation"]["judges"][1] == {"name": "added", "limit": {"words": 3}, "cache": None}
        assert TrialConfig.model_validate(written) == config
        assert TrialConfig.model_validate_json(config.model_dump_json()) == config
        assert content_hash(trial_json(pickle.loads(pickle.dumps(config)))) == content_hash(written)


def test_only_decisive_fields_identify_a_judge() -> None:
    ids: list[str] = [
        judge_id(AddedJudge(limit=Limit(words=n), cache=c)) for n, c in ((3, None), (3, "x"), (4, None))
    ]  # type: ignore[arg-type]
    assert ids[0] == ids[1] != ids[2]


NAMES = ", ".join(repr(name) for name in [*BUILDERS, "added"])
ERRORS: list[tuple[dict[str, Any], str]] = [
    (
        {"name": "added", "limit": {"words": 0}},
        ".limit.words: input should be greater than or equal to 1, got 0",
    ),
    ({"name": "added", "limit": 3}, ".limit: must be a mapping of fields to values, got 3"),
    ({"name": "added", "x": 1}, ".x: unknown field for the variant 'added', got 1"),
    ({"name": "keyword", "x": 1}, ".x: unknown field for the variant 'keyword', got 1"),
    ({"name": "ad"}, f": 'name' must be one of {NAMES}, got 'ad'"),
    ({}, ": needs the field 'name', which selects the variant, got {}"),
]


@pytest.mark.parametrize(("judge", "message"), ERRORS)
def test_errors_have_the_form_of_built_in_variants(judge: Any, message: str) -> None:
    tree = f"evaluation={{judges: [{{name: keyword}}, {judge!r}]}}"
    with pytest.raises(ConfigError) as caught:
        validate_tree(TrialConfig, ["task={name: word_problems}", tree])
    assert str(caught.value) == f"--set {tree}: evaluation.judges.1{message}"


def test_judges_must_still_differ() -> None:
    assert EvaluationConfig(judges=(KeywordJudge(), AddedJudge())).judges[1] == AddedJudge()  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="judges that differ"):
        EvaluationConfig(judges=(AddedJudge(), AddedJudge(cache="x")))  # type: ignore[arg-type]


def test_an_override_selects_an_added_variant(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text("task: {name: word_problems, max_steps: 1, test_examples: 9}\n")
    config = load_sweep(tmp_path / "space.yaml", ["task.name=added", "task.hard=true"]).reference()
    assert config.task == AddedTask(name="added", test_examples=9, hard=True)


@pytest.mark.parametrize(
    ("fields", "loaded"),
    [("method: {name: sdft}", False), ("method: {name: nonsense}", True)],
    ids=["built in", "unknown"],
)
def test_the_registry_is_imported_only_for_other_names(tmp_path: Path, fields: str, loaded: bool) -> None:
    space = tmp_path / "space.yaml"
    space.write_text(f"task: {{name: word_problems}}\n{fields}\n")
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from lookahead_ray.config.load import load_sweep\nfrom lookahead_ray.errors import ConfigError\n"
        "upper = lambda: [n for n in sys.modules if n.count('.') == 1 and n.startswith('lookahead_ray.')]\n"
        "known = {'lookahead_ray.config', 'lookahead_ray.errors', 'lookahead_ray.sanitize'}\n"
        "assert set(upper()) == known, upper()\n"
        f"try:\n    load_sweep(Path({str(space)!r}))\nexcept ConfigError as error:\n    print(error)\n"
        "print('lookahead_ray.method.registry' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    *error, found = done.stdout.splitlines()
    assert (found == "True", bool(error)) == (loaded, loaded)
