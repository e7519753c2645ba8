"""The examples of docs/extending.md work."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import BaseModel

from lookahead_ray.data.chat import Rendered
from tests.docs.pages import ROOT, blocks

EXAMPLES = blocks(ROOT / "docs" / "extending.md", "python")
FIRST_LINE = re.compile(r"# (lookahead_ray/\S+)\.py\n")


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Execute all examples; models of a module that exists are added to it, as the page says."""
    found: dict[str, Any] = {}
    for code in EXAMPLES:
        match = FIRST_LINE.match(code)
        assert match, code
        scope: dict[str, Any] = {"__name__": match[1].replace("/", ".")}
        exec(code, scope)
        own = {name: value for name, value in scope.items() if not name.startswith("_")}
        if (ROOT / f"{match[1]}.py").exists():
            module = importlib.import_module(scope["__name__"])
            for name, value in own.items():
                if isinstance(value, type) and issubclass(value, BaseModel) and not hasattr(module, name):
                    monkeypatch.setattr(module, name, value, raising=False)
        found |= {f"{match[1].rpartition('/')[2]}.{name}": value for name, value in own.items()}
    return found


def test_the_judge(names: dict[str, Any]) -> None:
    judge = names["length.length_judge"](names["judge.LengthJudge"](words=3))
    assert [judge("", "", answer).verdict for answer in ("", "No.", "one two three")] == [
        "unparsed",
        "safe",
        "unsafe",
    ]


def test_the_suite(names: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "requests.txt").write_text("first\n\nsecond\n")
    config = names["safety.LinesSuite"](name="lines", path=str(tmp_path / "requests.txt"), harmful_prompts=1)
    suite = names["lines.load_lines"](config)
    assert [(prompt.id, prompt.prompt) for prompt in suite.harmful] == [("line-0001", "first")]


def test_the_task(names: dict[str, Any], tmp_path: Path) -> None:
    rows = [f'{{"context": "c", "question": "q{n}?", "answer": "a{n}"}}\n' for n in range(4)]
    (tmp_path / "rows.jsonl").write_text("".join(rows))
    config = names["task.SquadTask"](
        name="squad", train_path=str(tmp_path / "rows.jsonl"), train_examples=2, test_examples=2
    )
    task = names["squad.load_squad"](config)
    assert (len(task.train), len(task.test)) == (2, 2)
    assert [task.score(answer, "a b") for answer in ("A  b", "c", " ")] == [1.0, 0.0, None]


def test_the_method(names: dict[str, Any]) -> None:
    logits, targets = torch.randn(3, 5), torch.tensor([0, 1, 2])

    class Context:
        def forward(self, model: Any, rows: list[Rendered]) -> tuple[torch.Tensor, torch.Tensor]:
            return logits, targets

    config = names["method.SmoothedMethod"](name="smoothed", smoothing=0.0)
    loss = names["smoothed.row_loss"]([], config, Context())(None, [])
    assert loss.item() == pytest.approx(torch.nn.functional.cross_entropy(logits, targets).item() * 3)


def test_the_sampler(names: dict[str, Any]) -> None:
    assert names["search.Nsga3Sampler"](name="nsga3").population_size == 12
