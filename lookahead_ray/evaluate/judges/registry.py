"""The judges, by name. A new one is a module beside this file, a line in `BUILDERS` and a configuration."""

from collections.abc import Callable
from typing import Any

from lookahead_ray.config.judge import ClassifierJudge, JudgeConfig, LlmJudge
from lookahead_ray.config.load import content_hash
from lookahead_ray.evaluate.judges.base import Judge
from lookahead_ray.evaluate.judges.keyword import judge_keyword, judge_published_keyword
from lookahead_ray.evaluate.judges.llm import ScoringJudge
from lookahead_ray.evaluate.judges.refusal import judge_refusal


def _llm(config: LlmJudge) -> Judge:
    return ScoringJudge(config)


def _classifier(config: ClassifierJudge) -> Judge:
    from lookahead_ray.evaluate.judges.classifier import load_classifier  # imports torch

    return load_classifier(config)


BUILDERS: dict[str, Callable[[Any], Judge]] = {
    "keyword": lambda config: judge_published_keyword if config.protocol == "paper" else judge_keyword,
    "refusal": lambda config: judge_refusal,
    "llm": _llm,
    "classifier": _classifier,
}
"""Name, as the configuration and the tables have it -> what makes the judge from its configuration."""

JUDGES: dict[str, Judge] = {"keyword": judge_keyword, "refusal": judge_refusal}
"""The judges that need no configuration, ready for use."""


def build(config: JudgeConfig) -> Judge:
    """The judge that `config` describes.

    Raises:
        ConfigError: an API key's variable is not set, or a classifier has a label without meaning.
        ModelError: a classifier cannot be loaded.
    """
    return BUILDERS[config.name](config)


def judge_id(config: JudgeConfig) -> str:
    """Name and short hash of what decides the verdicts; can be a file's name."""
    return f"{config.name}-{content_hash(config.decisive())[:8]}"
