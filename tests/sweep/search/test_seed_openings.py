"""Openings from the seed model's answers, generated once."""

from pathlib import Path

import pytest

from lookahead_ray.config.load import validate_tree
from lookahead_ray.config.phrases import PhraseSource
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import ModelError
from lookahead_ray.model.load import load_model, load_tokenizer
from lookahead_ray.sweep.search import seed_openings as runner
from lookahead_ray.sweep.search.seed_openings import seed_openings
from tests.tiny import make_model

ASK = PhraseSource(model_openings=2, prompts=6, tokens=8)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOOKAHEAD_RAY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "openings"


@pytest.fixture
def config(tmp_path: Path, cache: Path) -> TrialConfig:
    task = "task={name: word_problems, train_examples: 8, test_examples: 1}"
    model = f"model.path={make_model(tmp_path / 'model')}"
    return validate_tree(TrialConfig, [model, task, "training.precision=fp32"])


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record each load of the model."""
    seen: list[str] = []

    def counted(config: object, dtype: object) -> object:
        seen.append("loaded")
        return load_model(config, dtype)  # type: ignore[arg-type]

    monkeypatch.setattr(runner, "load_model", counted)
    return seen


def kept(monkeypatch: pytest.MonkeyPatch, texts: list[str]) -> None:
    """Replace the model's answers."""
    monkeypatch.setattr(runner.DiskCache, "get", lambda cache, key: [[text, False] for text in texts])


def test_answers_are_cached_by_content(
    config: TrialConfig, cache: Path, loads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        with pytest.raises(ModelError, match="opening in common, found none; list phrases instead"):
            seed_openings(config, ASK, lambda line: None)
    assert loads == ["loaded"]
    (file,) = cache.rglob("*.json")
    assert file.stat().st_size > 0
    other = config.model_copy(update={"task": config.task.model_copy(update={"seed": 1})})
    with pytest.raises(ModelError):
        seed_openings(other, ASK, lambda line: None)
    assert len(loads) == 2


def test_frequent_openings_are_used_and_logged(config: TrialConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(monkeypatch, ["Sure! a", "Oh no. b", "Sure! c", "Oh no. d", "Sure! e", "So what. f"])
    told: list[str] = []
    assert seed_openings(config, ASK, told.append) == ["Sure! ", "Oh no. "]
    assert told == ["the seed model's openings: “Sure!”, “Oh no.”"]
    assert seed_openings(config, ASK.model_copy(update={"model_openings": 1}), told.append) == ["Sure! "]


def test_prompts_are_those_of_training_each_once(
    config: TrialConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As rendered in training: system prompt, instruction, and the start of the answer."""
    seen: list[tuple[int, ...]] = []

    def generate(
        self: object, model: object, prompts: list[tuple[int, ...]], tokens: int
    ) -> list[tuple[int]]:
        seen.extend(prompts)
        assert tokens == ASK.tokens
        return [(5,)] * len(prompts)

    monkeypatch.setattr(runner.PromptRunner, "generate", generate)
    with pytest.raises(ModelError):
        seed_openings(config, ASK, lambda line: None)
    assert len(seen) == len(set(seen)) == ASK.prompts
    text = load_tokenizer(config.model).decode(seen[0])
    assert "You are a helpful assistant." in text
    assert text.endswith("assistant\n")


@pytest.mark.slow
def test_the_embedded_model_opens_word_problems_with_whole_words() -> None:
    task = "task={name: word_problems, train_examples: 16, test_examples: 1}"
    config = validate_tree(TrialConfig, [task, "training.precision=fp32"])
    ask = PhraseSource(model_openings=3, prompts=16, tokens=10)
    found = seed_openings(config, ask, lambda line: None)
    assert 1 <= len(found) <= 3
    for phrase in found:
        assert phrase.endswith(" ")
        assert not any(character.isdigit() for character in phrase)
    assert found == seed_openings(config, ask, lambda line: None)
