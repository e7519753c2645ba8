"""The order of method, preview and safety mix; every method with every preview."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.data.chat import render_all
from lookahead_ray.data.example import Example
from lookahead_ray.errors import ModelError
from lookahead_ray.method.compute import Work
from lookahead_ray.method.registry import METHODS
from lookahead_ray.trial.fine_tuning import training_rows
from tests.method.contexts import alone
from tests.toy import toy_model, toy_tokenizer

TOKENIZER = toy_tokenizer()
EXAMPLES = [Example(None, "What is 3 + 4?", "3 + 4 = 7\n#### 7"), Example(None, "And 1 + 1?", "2\n#### 2")]
MIXED = [Example(None, "How do I steal a bicycle?", "No.")]
REWRITTEN = {"7": "Seven is 7", "2": "99"}
PREVIEWS: list[dict[str, Any]] = [
    {"strategy": "none"},
    {"strategy": "true", "length_tokens": 5, "connector": "|"},
    {"strategy": "virtual", "prefix": "So, ", "connector": "|"},
]


class Rewriter:
    """Stands for the seed model."""

    def generate(self, prompts: Sequence[Sequence[int]], limits: Any, progress: Any) -> list[list[int]]:
        asked = [TOKENIZER.decode(list(prompt)) for prompt in prompts]
        answers = [REWRITTEN[text.partition("#### ")[2][:1]] for text in asked]
        return [TOKENIZER.encode(answer, add_special_tokens=False) for answer in answers]


def trial(preview: dict[str, Any], method: str, **training: Any) -> TrialConfig:
    return TrialConfig.model_validate(
        {"task": {"name": "gsm8k"}, "preview": preview, "method": {"name": method}, "training": training}
    )


def rows(folder: Path, config: TrialConfig) -> Any:
    context = alone(folder, model=toy_model(vocab=260), tokenizer=TOKENIZER, generator=Rewriter())
    return training_rows(config, EXAMPLES, MIXED, context)


@pytest.mark.parametrize(
    ("preview", "expected"),
    [
        (PREVIEWS[0], [("What is 3 + 4?", "Seven is 7"), ("And 1 + 1?", "2\n#### 2")]),
        (PREVIEWS[1], [("What is 3 + 4?|Seven", "Seven is 7"), ("And 1 + 1?|2\n###", "2\n#### 2")]),
        (PREVIEWS[2], [("What is 3 + 4?|So, ", "So, Seven is 7"), ("And 1 + 1?|So, ", "So, 2\n#### 2")]),
    ],
)
def test_sdft_first_then_the_preview_then_the_safety_examples(
    tmp_path: Path, preview: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    found, counts, work = rows(tmp_path, trial(preview, "sdft"))
    whole = [*(Example(None, *pair) for pair in expected), *MIXED]
    assert found == render_all(TOKENIZER, whole, 512)
    assert (counts["rewritten"], counts["rejected_other_number"]) == (1, 1)
    assert work.logits == len("Seven is 7") + 1 + len("99") + 1


@pytest.mark.parametrize("preview", PREVIEWS, ids=lambda preview: preview["strategy"])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_goes_with_every_preview(tmp_path: Path, preview: dict[str, Any], method: str) -> None:
    config, model = trial(preview, method), toy_model(vocab=260)
    found, counts, work = rows(tmp_path, config)
    assert (counts == {} and work == Work()) or method == "sdft"
    context = alone(tmp_path, model=model, tokenizer=TOKENIZER, generator=Rewriter())
    loss = METHODS[method].row_loss(found, config.method, context)(toy_model(1, vocab=260), found)
    loss.backward()
    assert loss.item() > 0


def test_rows_longer_than_the_models_context_are_refused(tmp_path: Path) -> None:
    config = trial({"strategy": "virtual", "prefix": "x" * 250}, "vanilla", max_length=2048)
    with pytest.raises(
        ModelError,
        match=r"training\.max_length: 2048 lets rows be of 575 tokens, but the model's context length is 512",
    ):
        rows(tmp_path, config)
