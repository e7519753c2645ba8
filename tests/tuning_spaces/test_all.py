"""The spaces in tuning_spaces/ search what their comments describe."""

import random
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from lookahead_ray.config.dimension import Choice, Dimension, Range, Value
from lookahead_ray.config.load import Sweep, load_sweep
from lookahead_ray.config.search import GridSampler, TpeSampler
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.sweep.search.grid import grid_points
from lookahead_ray.sweep.search.references import vanilla_point

FOLDER = Path(__file__).parents[2] / "tuning_spaces"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
PAPERS = ("Let's solve this problem. ", "Let's deal with this situation. ", "dadjalsasdfghkjzmnb ")


def load(name: str, *overrides: str) -> Sweep:
    return load_sweep(FOLDER / f"{name}.yaml", overrides)


def drawn(sweep: Sweep, trials: int = 300) -> Iterator[tuple[set[str], TrialConfig]]:
    """Yield random trials, each with the names of the dimensions that exist in it."""
    generator = random.Random(0)
    for _ in range(trials):
        names: set[str] = set()

        def suggest(dimension: Dimension, names: set[str] = names) -> Value:
            names.add(dimension.name)
            if isinstance(dimension, Choice):
                return generator.choice(dimension.labels)
            if dimension.kind == "int":
                return generator.randint(int(dimension.low), int(dimension.high))
            return generator.uniform(dimension.low, dimension.high)

        config = sweep.trial(suggest)
        yield names, config


@pytest.mark.parametrize("name", NAMES)
def test_every_dimension_is_reached_and_every_draw_is_valid(name: str) -> None:
    sweep = load(name)
    reached = set[str]().union(*(names for names, _ in drawn(sweep)))
    assert reached == {dimension.name for dimension in sweep.dimensions}


def test_all_that_are_promised_are_there() -> None:
    assert {"quickstart", "preview_length", "prefix", "preview_share", "tradeoff"} <= set(NAMES)
    assert {"paper_gsm8k", "paper_samsum"} <= set(NAMES)


def test_preview_length_is_every_length_from_1_to_12() -> None:
    sweep = load("preview_length")
    assert sweep.dimensions == (Range("preview.length_tokens", "int", 1, 12),)
    assert (sweep.search.sampler, sweep.search.trials) == (GridSampler(name="grid"), 12)
    assert sorted(map(str, grid_points(sweep))) == sorted(
        str({"preview.length_tokens": length}) for length in range(1, 13)
    )
    assert {config.preview.strategy for _, config in drawn(sweep, 20)} == {"true"}


def test_prefix_is_phrases_of_several_kinds_and_lengths() -> None:
    sweep = load("prefix")
    (phrases,) = sweep.dimensions
    assert isinstance(phrases, Choice)
    assert phrases.name == "preview.prefix"
    assert phrases.labels[:3] == PAPERS
    assert (sweep.search.sampler, sweep.search.trials) == (GridSampler(name="grid"), len(phrases.labels))
    assert len(grid_points(sweep)) == len(phrases.labels)
    texts = [str(label) for label in phrases.labels]
    assert all(text.endswith(" ") and not text.endswith("  ") for text in texts)
    assert {min(len(text.split()), 10) for text in texts} >= {1, 4, 5, 10}


def test_tradeoff_is_conditional() -> None:
    sweep = load("tradeoff")
    assert isinstance(sweep.search.sampler, TpeSampler)
    assert sweep.search.stopping is None
    assert sweep.search.confirm
    assert sweep.search.budget.hours
    everywhere = {"preview", "method", "training.learning_rate", "training.epochs", "training.lora.rank"}
    seen = set()
    for names, config in drawn(sweep):
        seen.add((config.preview.strategy, config.method.name))
        assert everywhere <= names
        assert ("preview.true.length_tokens" in names) == (config.preview.strategy == "true")
        assert ("preview.virtual.prefix" in names) == (config.preview.strategy == "virtual")
        for method in ("constrained_sft", "token_kl"):
            assert (f"method.{method}.bias_length" in names) == (config.method.name == method)
    methods = ("vanilla", "constrained_sft", "token_kl", "sdft")
    assert seen == {(strategy, method) for strategy in ("none", "true", "virtual") for method in methods}


def test_the_references_of_tradeoff_match_its_comment() -> None:
    training = load("tradeoff").reference().training
    assert training.learning_rate == pytest.approx(9.5e-4, rel=0.01)
    assert training.lora
    assert (training.epochs, training.lora.rank) == (2, 16)


def test_preview_share_measures_all_shares_of_every_preview_and_of_vanilla() -> None:
    sweep = load("preview_share")
    assert not sweep.reference().merge.changes_weights
    seen = set()
    for _, config in drawn(sweep):
        assert config.merge.shares == (1.0, 0.8, 0.6, 0.4)
        seen.add(config.preview.strategy)
    assert seen == {"none", "true", "virtual"}
    assert [point["preview"] for point in sweep.search.enqueue] == ["true", "virtual"]
    assert vanilla_point(sweep) == {"preview": "none"}


@pytest.mark.parametrize("name", ["quickstart", "tradeoff"])
def test_the_papers_two_settings_come_first(name: str) -> None:
    true, virtual = load(name).search.enqueue[:2]
    assert (true["preview"], true["preview.true.length_tokens"]) == ("true", 6)
    assert (virtual["preview"], virtual["preview.virtual.prefix"]) == ("virtual", PAPERS[0])


def commands(name: str) -> list[list[str]]:
    """Return the commands in the comment at the head of a space."""
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    comment = "\n".join(line[1:] for line in text.partition("\nname:")[0].splitlines())
    joined = re.sub(r"\\\n\s*", " ", comment)
    return [shlex.split(line) for line in joined.splitlines() if line.strip().startswith("lookahead-ray ")]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "quickstart"])
def test_the_commands_in_its_comment_are_valid(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("phrases.txt").write_text("So,\nWell then,\n")
    found = commands(name)
    assert found
    for command in found:
        assert command[1:3] == ["sweep", name]
        assert command[3::2] == ["--set"] * len(command[3::2])
        assert load(name, *command[4::2]).dimensions
