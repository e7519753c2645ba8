"""Points of a space file where overrides fix or change dimensions, and options by their names."""

from pathlib import Path

import pytest

from lookahead_ray.config.load import Sweep, load_sweep
from lookahead_ray.config.preview import NoPreview, TruePreview
from lookahead_ray.errors import ConfigError

SPACE = """\
task: {name: word_problems}
preview:
  choice:
    - {strategy: true, length_tokens: {int: [1, 16]}}
    - {strategy: virtual, prefix: {choice: ["So, ", "Well, "]}}
    - {strategy: none}
method:
  choice:
    - {name: vanilla}
    - {name: constrained_sft, bias_length: {int: [2, 8]}}
training:
  learning_rate: {loguniform: [1e-5, 1e-3]}
search:
  reference: {training.learning_rate: 5e-5, method.constrained_sft.bias_length: 3}
  enqueue:
    - {preview.true.length_tokens: 6, method: vanilla}
    - {preview.true.length_tokens: 9, method: constrained_sft}
    - {preview: virtual, preview.virtual.prefix: "So, ", method: vanilla}
    - {preview: none, method.constrained_sft.bias_length: 4, training.learning_rate: 1e-4}
"""


def load(directory: Path, *overrides: str, text: str = SPACE) -> Sweep:
    path = directory / "space.yaml"
    path.write_text(text)
    return load_sweep(path, overrides)


@pytest.mark.parametrize(
    ("overrides", "points"),
    [
        (
            ("method=vanilla",),
            (
                {"preview": "true", "preview.true.length_tokens": 6},
                {"preview": "virtual", "preview.virtual.prefix": "So, "},
            ),
        ),
        (("method={name: sdft}",), ()),
        (
            ("preview=none",),
            (
                {
                    "method": "constrained_sft",
                    "method.constrained_sft.bias_length": 4,
                    "training.learning_rate": 1e-4,
                },
            ),
        ),
        (
            ("preview=true",),
            (
                {"preview.length_tokens": 6, "method": "vanilla"},
                {"preview.length_tokens": 9, "method": "constrained_sft"},
            ),
        ),
        (("preview=true", "preview.length_tokens=9"), ({"method": "constrained_sft"},)),
        (
            ("preview.true.length_tokens=9", "method=constrained_sft"),
            (
                {"preview": "true"},
                {"preview": "none", "method.bias_length": 4, "training.learning_rate": 1e-4},
            ),
        ),
        (
            ("preview.true.length_tokens={int: [1, 6]}", "preview.virtual.prefix='Well, '"),
            (
                {"preview.true.length_tokens": 6, "method": "vanilla"},
                {
                    "preview": "none",
                    "method.constrained_sft.bias_length": 4,
                    "training.learning_rate": 1e-4,
                },
            ),
        ),
        (
            ("training.learning_rate=1e-4", "preview=none", "method=constrained_sft"),
            ({"method.bias_length": 4},),
        ),
    ],
)
def test_points_with_an_overrides_value_stay_without_it(
    tmp_path: Path, overrides: tuple[str, ...], points: tuple[dict[str, object], ...]
) -> None:
    sweep = load(tmp_path, *overrides)
    assert sweep.search.enqueue == points
    assert sweep.left_out_points == 4 - len(points)
    sweep.reference()


def test_without_an_override_of_a_dimension_all_points_stay(tmp_path: Path) -> None:
    sweep = load(tmp_path, "training.epochs=2")
    assert len(sweep.search.enqueue) == 4
    assert sweep.left_out_points == 0
    assert sweep.search.reference == {
        "training.learning_rate": 5e-5,
        "method.constrained_sft.bias_length": 3,
    }


def test_the_reference_loses_what_is_fixed_and_follows_a_chosen_option(tmp_path: Path) -> None:
    sweep = load(tmp_path, "training.learning_rate=3e-4", "method=constrained_sft")
    assert sweep.search.reference == {"method.bias_length": 3}
    assert sweep.reference().training.learning_rate == 3e-4


def test_points_of_an_override_must_fit(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no dimension is called 'method'"):
        load(tmp_path, "method=vanilla", "search.enqueue=[{method: vanilla}]")


def test_wrong_points_of_the_file_are_refused_with_overrides_too(tmp_path: Path) -> None:
    wrong = SPACE.replace("preview.true.length_tokens: 9", "preview.true.length_tokens: 99")
    with pytest.raises(ConfigError, match=r"length_tokens must be in its range .*, got 99"):
        load(tmp_path, "training.epochs=2", text=wrong)
    misspelt = SPACE.replace("training.learning_rate: 1e-4}", "training.rate: 1e-4}")
    with pytest.raises(ConfigError, match=r"no dimension is called 'training\.rate'"):
        load(tmp_path, "preview=none", text=misspelt)


def test_the_name_of_an_option_stands_for_it(tmp_path: Path) -> None:
    def first(sweep: Sweep) -> object:
        return sweep.trial(sweep.reference_value).preview

    assert first(load(tmp_path, "preview=none")) == NoPreview()
    chosen = load(tmp_path, "preview=true", "preview.length_tokens=2")
    assert first(chosen) == TruePreview(strategy="true", length_tokens=2)
    assert first(load(tmp_path, "preview.true.length_tokens=5")) == TruePreview(
        strategy="true", length_tokens=5
    )


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        (
            "preview=nothing",
            "preview: must be a mapping or the name of an option, ['true', 'virtual', 'none'], got 'nothing'",
        ),
        (
            "preview.length_tokens=3",
            "preview is a search dimension; set preview as a whole, or a field of preview.true, or",
        ),
        ("preview.true=3", "preview is a search dimension; set preview as a whole, or a field of"),
        ("preview.true.length_tokens=0", "preview.length_tokens: input should be greater than or equal to 1"),
    ],
)
def test_errors_name_the_override(tmp_path: Path, assignment: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, assignment)
    assert str(caught.value).startswith(f"--set {assignment}: {message}")


def test_points_of_phrases_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "phrases.txt").write_text("So,\nWell,\n")
    phrases = f"{{choice_from: {{path: {tmp_path / 'phrases.txt'}}}}}"
    text = SPACE.replace('{choice: ["So, ", "Well, "]}', phrases)
    point = {"preview": "virtual", "preview.virtual.prefix": "So, ", "method": "vanilla"}
    assert load(tmp_path, "training.epochs=2", text=text).search.enqueue[2] == point
    chosen = load(tmp_path, "preview=virtual", text=text)
    assert chosen.search.enqueue == ({"preview.prefix": "So, ", "method": "vanilla"},)
    assert chosen.left_out_points == 3
    fixed = load(tmp_path, 'preview.virtual.prefix="Well, "', text=text)
    assert fixed.left_out_points == 1
