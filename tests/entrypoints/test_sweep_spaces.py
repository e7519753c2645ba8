"""A user's own space file works from any directory, and uses the seed model where it says so."""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from lookahead_ray.cli.main import app
from lookahead_ray.errors import ModelError
from tests.tiny import make_model

ROWS = [json.dumps({"question": f"{n} + {n}?", "answer": f"#### {2 * n}"}) for n in range(1, 9)]
SPACE = """
model: {path: '%s'}
task: {name: gsm8k, path: %s, train_examples: 4, test_examples: 2}
preview: {strategy: virtual, prefix: {choice_from: {path: phrases.txt}}}
"""


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), prog_name="lookahead-ray")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Create a folder with a space, its phrases and its data."""
    folder = tmp_path / "projects" / "mine"
    make_model(folder / "model")
    (folder / "train.jsonl").write_text("\n".join(ROWS))
    (folder / "phrases.txt").write_text("So,\nWell then,\n")
    (folder / "mine.yaml").write_text(SPACE % (folder / "model", folder / "train.jsonl"))
    return folder


class TestFromAnyDirectory:
    @pytest.fixture(params=["here", "above", "elsewhere"])
    def space(self, mine: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
        """Return the space's path, as a user in that directory writes it."""
        match request.param:
            case "here":
                monkeypatch.chdir(mine)
                return "mine.yaml"
            case "above":
                monkeypatch.chdir(mine.parent)
                return "mine/mine.yaml"
            case _:
                monkeypatch.chdir("/")
                return str(mine / "mine.yaml")

    def test_its_phrases_are_found(self, space: str) -> None:
        result = invoke("validate", space)
        assert result.exit_code == 0, result.stderr
        assert "dimension preview.prefix: one of 'So, ', 'Well then, '\n" in result.stdout
        assert "task gsm8k: 4 training and 2 test examples\n" in result.stdout
        assert result.stdout.endswith("ok\n")

    def test_overrides_hold_there_too(self, space: str) -> None:
        result = invoke("validate", space, "--set", "task.train_examples=5", "--set", "search.trials=2")
        assert result.exit_code == 0, result.stderr
        assert "mine: 2 trials after the seed model and vanilla\n" in result.stdout
        assert "task gsm8k: 5 training and 2 test examples\n" in result.stdout


def test_relative_data_are_looked_for_in_the_current_directory(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (mine / "mine.yaml").write_text(SPACE % (mine / "model", "train.jsonl"))
    monkeypatch.chdir(mine)
    assert invoke("validate", "mine.yaml").exit_code == 0
    monkeypatch.chdir(mine.parent)
    result = invoke("validate", "mine/mine.yaml")
    assert result.exit_code == 2
    assert "train.jsonl: path: must be an existing file, got nothing there" in result.stderr
    assert invoke("validate", "mine/mine.yaml", "--set", "task.path=mine/train.jsonl").exit_code == 0


@dataclass
class Preflight:
    lines: list[str]
    missing: list[str] = field(default_factory=list)
    hashes: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def ask_the_model(mine: Path) -> None:
    """Make the space take its phrases from the model instead of the file."""
    text = (mine / "mine.yaml").read_text().replace("path: phrases.txt", "model_openings: 3")
    (mine / "mine.yaml").write_text(text)


def test_validate_describes_model_openings_without_loading_the_model(mine: Path) -> None:
    ask_the_model(mine)
    result = invoke("validate", str(mine / "mine.yaml"))  # the model's file is empty
    assert result.exit_code == 0, result.stderr
    assert "preview.prefix.choice_from: up to 3 openings of the seed model's answers to 64" in result.stdout


class TestOpenings:
    """`sweep` with a space that uses the seed model's openings, here from a list."""

    @pytest.fixture
    def swept(self, mine: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        """Collect the sweeps that the driver gets; it ends with an error."""
        ask_the_model(mine)
        monkeypatch.chdir(mine)
        given: list[Any] = []

        def run_sweep(sweep: Any, sink: Any, observer: Any, warm: Any) -> None:
            given.append(sweep)
            raise ModelError("far enough")

        self.put(monkeypatch, "preflight", check=lambda sweep: Preflight([]))
        self.put(monkeypatch, "driver", run_sweep=run_sweep)
        return given

    @staticmethod
    def put(monkeypatch: pytest.MonkeyPatch, module: str, **functions: Any) -> None:
        made = ModuleType(module)
        made.__dict__.update(functions)
        monkeypatch.setitem(sys.modules, f"lookahead_ray.sweep.{module}", made)

    def test_become_a_plain_choice_of_the_search(
        self, swept: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def seed_openings(config: Any, ask: Any, say: Any) -> list[str]:
            assert (config.task.name, ask.model_openings) == ("gsm8k", 3)
            say("asking")
            return ["Sure! ", "To find "]

        self.put(monkeypatch, "search.seed_openings", seed_openings=seed_openings)
        result = invoke("sweep", "mine.yaml")
        assert result.stderr == "error: far enough\n"
        assert "mine: asking\n" in result.stdout
        (sweep,) = swept
        assert [str(each) for each in sweep.dimensions] == ["preview.prefix: one of 'Sure! ', 'To find '"]
        identity = json.loads(Path("runs/mine/sweep.json").read_text())
        assert "'Sure! '" in str(identity)
        assert "choice_from" not in str(identity)

    def test_missing_openings_end_the_sweep_in_one_line(
        self, swept: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def seed_openings(config: Any, ask: Any, say: Any) -> list[str]:
            raise ModelError("model_openings: found none")

        self.put(monkeypatch, "search.seed_openings", seed_openings=seed_openings)
        result = invoke("sweep", "mine.yaml")
        assert (result.exit_code, result.stderr) == (2, "error: mine.yaml: model_openings: found none\n")
        assert not swept
        assert not list(Path("runs/mine").rglob("sweep.json"))
