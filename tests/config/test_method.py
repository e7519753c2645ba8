"""Methods and defences in space files: bounds, and a search over them."""

from pathlib import Path
from typing import Any

import pytest

from lookahead_ray.config.dimension import Choice, Dimension, Value
from lookahead_ray.config.load import Sweep, load_sweep
from lookahead_ray.errors import ConfigError
from lookahead_ray.method.registry import METHODS

SPACE = """
task: {name: word_problems, train_examples: 8}
method:
  choice:
    - {name: vanilla}
    - {name: constrained_sft, bias_beta: {loguniform: [0.5, 8]}, bias_length: {int: [1, 8]}}
    - {name: token_kl, beta: {choice: [0.1, 0.3]}}
    - {name: sdft}
defence:
  mix: {share: {uniform: [0.05, 0.2]}}
  prompt: {choice: [null, "Be safe."]}
"""


def load(tmp_path: Path, text: str, *overrides: str) -> Sweep:
    path = tmp_path / "space.yaml"
    path.write_text(text)
    return load_sweep(path, overrides)


def picking(**picks: Value) -> Any:
    def suggest(dimension: Dimension) -> Value:
        low = dimension.labels[0] if isinstance(dimension, Choice) else dimension.low
        return picks.get(dimension.name.replace(".", "_"), low)

    return suggest


def test_a_search_may_choose_the_method_and_its_numbers(tmp_path: Path) -> None:
    sweep = load(tmp_path, SPACE)
    names = [dimension.name for dimension in sweep.dimensions]
    assert names[:4] == [
        "method",
        "method.constrained_sft.bias_beta",
        "method.constrained_sft.bias_length",
        "method.token_kl.beta",
    ]
    for name in sweep.dimensions[0].labels:
        assert sweep.trial(picking(method=name)).method.name == name
    config = sweep.trial(picking(method="constrained_sft", method_constrained_sft_bias_length=7)).method
    assert config.model_dump() == {
        "name": "constrained_sft", "first_beta": 0.5, "bias_beta": 0.5, "bias_length": 7, "beta": 0.1,
    }  # fmt: skip
    assert sweep.trial(picking(defence_prompt="Be safe.")).defence.prompt == "Be safe."


def test_the_reference_is_always_vanilla(tmp_path: Path) -> None:
    for text in (SPACE, "task: {name: word_problems}\nmethod: {name: sdft}\ndefence: {prompt: Be safe.}\n"):
        reference = load(tmp_path, text).reference()
        assert reference.method.name == "vanilla"
        assert reference.defence.model_dump() == {"mix": None, "prompt": None}


def test_an_unknown_method_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "task: {name: word_problems}\nmethod: {name: dpo}\n")
    assert all(f"'{name}'" in str(caught.value) for name in METHODS)


@pytest.mark.parametrize(
    ("assignment", "rule"),
    [
        (
            "method={name: constrained_sft, first_beta: 0}",
            "method.first_beta: input should be greater than 0",
        ),
        (
            "method={name: constrained_sft, bias_length: -1}",
            "method.bias_length: input should be greater than",
        ),
        (
            "method={name: constrained_sft, bias_length: 1.5}",
            "method.bias_length: input should be a valid int",
        ),
        (
            "method={name: token_kl, beta: {loguniform: [0, 1]}}",
            "method.beta: loguniform needs numbers above 0",
        ),
        ("method={name: vanilla, beta: 1}", "method.beta: unknown field for the variant 'vanilla', got 1"),
        (
            "method={name: sdft, new_tokens: 0}",
            "method.new_tokens: input should be greater than or equal to 1",
        ),
        ("method={beta: 1}", "method: needs the field 'name', which selects the variant"),
        ("defence={mix: {share: 1}}", "defence.mix.share: input should be less than 1, got 1"),
        ("defence={mix: {share: 0}}", "defence.mix.share: input should be greater than 0, got 0"),
        ("defence={prompt: ''}", "defence.prompt: string should have at least 1 character, got ''"),
        ("defence={wall: 1}", "defence.wall: unknown field, got 1"),
    ],
)
def test_invalid_values_are_refused(tmp_path: Path, assignment: str, rule: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "task: {name: word_problems}\n", assignment)
    assert str(caught.value).startswith(f"--set {assignment}: {rule}")
