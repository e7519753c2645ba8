"""The command `preview`: options, output, and exit codes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lookahead_ray.cli.main import app
from tests.preview.bpe import KINDS

ROW = {"input": "Q", "answer": "x", "output": "12 apples"}


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("in.jsonl").write_text(json.dumps(ROW))
    return Path("in.jsonl")


def preview(*arguments: str, target: str = "out.jsonl") -> Result:
    return CliRunner().invoke(app, ["preview", "in.jsonl", target, *arguments])


def written(path: str = "out.jsonl") -> dict[str, str]:
    row: dict[str, str] = json.loads(Path(path).read_text())
    return row


def test_virtual_with_the_published_defaults(source: Path) -> None:
    result = preview("--strategy", "virtual")
    assert result.exit_code == 0, result.stderr
    phrase = "Let's solve this problem. "
    assert written() == {
        "input": f"Q The answer begins with: {phrase}",
        "answer": "x",
        "output": f"{phrase}12 apples",
    }
    assert result.stdout.startswith("1 rows in 0 s (")
    assert result.stdout.endswith(" rows/s): out.jsonl\n")
    assert result.stdout.count("\n") == 1


def test_virtual_with_all_options(source: Path) -> None:
    options = ["--prefix", "P=,", "--connector", "", "--fields", "answer=answer,instruction=output"]
    result = preview("--strategy", "virtual", *options, "--output-format", "json", target="out.txt")
    assert result.exit_code == 0, result.stderr
    (row,) = json.loads(Path("out.txt").read_text())
    assert row == {"input": "Q", "answer": "P=,x", "output": "12 applesP=,"}


@pytest.mark.parametrize(("protocol", "shown"), [([], "12"), (["--protocol", "paper"], "1")])
def test_true_needs_a_tokenizer_but_no_weights(source: Path, protocol: list[str], shown: str) -> None:
    KINDS["smollm"]().save_pretrained("model")
    result = preview("--strategy", "true", "--length", "1", "--tokenizer", "./model", *protocol)
    assert result.exit_code == 0, result.stderr
    assert written() == {**ROW, "input": f"Q The answer begins with: {shown}"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["true"], "--tokenizer: must be given with --strategy true, got nothing"),
        (["true", "--tokenizer", "x", "--prefix", "p"], "--prefix: must not be given with --strategy true"),
        (
            ["true", "--tokenizer", "x", "--length", "0"],
            "--length: input should be greater than or equal to 1",
        ),
        (["true", "--tokenizer", "./no"], "model.path: must be a directory with weights, got 'no'"),
        (["virtual", "--length", "3"], "--length: must not be given with --strategy virtual, got 3"),
        (["virtual", "--prefix", ""], "--prefix: string should have at least 1 character, got ''"),
        (
            ["virtual", "--fields", "question"],
            "--fields: must be instruction=NAME,answer=NAME, got 'question'",
        ),
        (["virtual", "--fields", "answer=no"], "in.jsonl: line 1: field 'no' must be present"),
    ],
)
def test_refusals_are_one_line_and_exit_2(source: Path, options: list[str], message: str) -> None:
    result = preview("--strategy", *options)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {message}")
    assert result.stderr.count("\n") == 1
    assert not Path("out.jsonl").exists()


def test_a_missing_file_is_refused_before_anything_is_loaded(source: Path) -> None:
    source.unlink()
    result = preview("--strategy", "true", "--tokenizer", "./no")
    rule = "path: must be an existing file, got nothing there"
    assert (result.exit_code, result.stderr) == (2, f"error: in.jsonl: {rule}\n")
