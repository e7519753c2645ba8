"""`screen` on the data of a user: ranked lines, and a table."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from lookahead_ray.cli.main import app
from tests.tiny import make_model

ROWS = [json.dumps({"question": f"{n} + {n}?", "answer": f"It is {2 * n}."}) for n in range(1, 9)]
SPACE = """
model: {path: '%s'}
task:
  name: file
  metric: {name: exact_match}
  fields: {instruction: question, answer: answer}
  train_path: %s
  train_examples: 4
  test_examples: 2
preview:
  choice:
    - {strategy: true, length_tokens: {int: [1, 2]}}
    - {strategy: virtual, prefix: {choice_from: {path: phrases.txt}}, connector: {choice: [" A: ", " B: "]}}
"""


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["screen", *arguments], prog_name="lookahead-ray")


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a space, its phrases and its data; it is the current directory."""
    make_model(tmp_path / "model")
    (tmp_path / "train.jsonl").write_text("\n".join(ROWS))
    (tmp_path / "phrases.txt").write_text("So,\n")
    (tmp_path / "mine.yaml").write_text(SPACE % (tmp_path / "model", tmp_path / "train.jsonl"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOOKAHEAD_RAY_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_every_preview_is_a_line_and_a_row(mine: Path) -> None:
    result = invoke("mine.yaml", "--rows", "3", "--tokens", "2")
    assert result.exit_code == 0, result.stderr
    assert "screening 5 previews on up to 3 training rows, " in result.stdout
    assert "mean over 3 training rows" in " ".join(result.stdout.split())
    table = pq.read_table(mine / "runs" / "screen-mine" / "screening.parquet")
    rows = table.to_pylist()
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5]
    assert {row["label"] for row in rows} == {
        "no preview",
        "true, 1 token",
        "true, 2 tokens",
        "virtual, “So,”, after “A:”",
        "virtual, “So,”, after “B:”",
    }
    for row in rows:
        assert row["loss_low"] <= row["loss"] <= row["loss_high"]
        assert (row["rows"], row["tokens"]) == (3, 2)
        assert row["label"][:24] in result.stdout
    none = next(row for row in rows if row["strategy"] == "none")
    assert none["loss"] == none["answer_loss"]
    assert none["prefix"] is None
    again = invoke("mine.yaml", "--rows", "3", "--tokens", "2", "--out", "again")
    assert again.exit_code == 0, again.stderr
    assert pq.read_table("again/screening.parquet") == table


def test_a_space_without_previews_is_one_line(mine: Path) -> None:
    result = invoke("mine.yaml", "--set", "preview={strategy: none}")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: mine.yaml: preview: must have a search dimension to be screened")
    assert result.stderr.count("\n") == 1


def test_data_that_are_not_there_are_one_line(mine: Path) -> None:
    (mine / "train.jsonl").unlink()
    result = invoke("mine.yaml")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: mine.yaml: ")
    assert result.stderr.count("\n") == 1


def test_openings_of_the_seed_model_are_generated_first(mine: Path) -> None:
    space = "preview={strategy: virtual, prefix: {choice_from: {model_openings: 2, prompts: 4}}}"
    result = invoke("mine.yaml", "--set", space)
    assert result.exit_code == 2
    assert "generating the seed model's openings for 4 prompts\n" in result.stdout
    assert "opening in common, found none; list phrases instead" in result.stderr
