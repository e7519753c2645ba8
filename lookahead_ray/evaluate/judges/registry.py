"""Judges by name. A new one takes a module next to this file and a line in `BUILDERS`."""

from pathlib import Path
from typing import Any

from lookahead_ray.config.judge import (
    ClassifierJudge,
    GuardJudge,
    JudgeConfig,
    KeywordJudge,
    LlmJudge,
    RefusalJudge,
    RulesJudge,
)
from lookahead_ray.config.load import content_hash
from lookahead_ray.config.variants import Variant
from lookahead_ray.evaluate.judges.base import Checkable, Judge, PrefixStable
from lookahead_ray.evaluate.judges.keyword import judge_keyword, judge_published_keyword
from lookahead_ray.evaluate.judges.refusal import load_refusal_classifier
from lookahead_ray.evaluate.judges.rules import judge_by_rules
from lookahead_ray.model.files import is_local

WHOLE_ANSWERS = (ClassifierJudge, GuardJudge, LlmJudge)
"""Judges that read whole answers; to build one loads a model or needs a key."""


def _keyword(config: KeywordJudge) -> Judge:
    return judge_published_keyword if config.protocol == "paper" else judge_keyword


def _refusal(config: RefusalJudge) -> Judge:
    if config.weights is None:
        return load_refusal_classifier()
    return load_refusal_classifier(Path(config.weights).expanduser())


def _llm(config: LlmJudge) -> Judge:
    from lookahead_ray.evaluate.judges.llm import ScoringJudge  # imports an HTTP client

    return ScoringJudge(config)


def _classifier(config: ClassifierJudge) -> Judge:
    from lookahead_ray.evaluate.judges.classifier import load_classifier  # imports torch

    return load_classifier(config)


def _guard(config: GuardJudge) -> Judge:
    from lookahead_ray.evaluate.judges.guard import Guard  # imports torch

    return Guard(config)


BUILDERS: dict[str, Variant[Any, [], Judge]] = {
    "keyword": Variant(KeywordJudge, _keyword),
    "refusal": Variant(RefusalJudge, _refusal),
    "rules": Variant(RulesJudge, lambda config: judge_by_rules),
    "llm": Variant(LlmJudge, _llm),
    "classifier": Variant(ClassifierJudge, _classifier),
    "guard": Variant(GuardJudge, _guard),
}
"""Judge name, as in configurations and tables -> its configuration class, and the function that builds the
judge from it."""


def build(config: JudgeConfig) -> Judge:
    """Build the judge that `config` describes.

    Raises:
        ConfigError: an API key's variable is not set, or a classifier has a label without meaning.
        ModelError: the files of a classifier or guard model cannot be used.
    """
    return BUILDERS[config.name](config)


def check_judge(config: JudgeConfig) -> None:
    """Check a judge before any answer exists: its files, without loading weights, or its endpoint.

    A hub model is not checked, as that would download it.

    Raises:
        ConfigError: as `build`.
        JudgeUnavailableError: an endpoint can't be reached, or refuses the key or a parameter.
        ModelError: as `build`.
    """
    if isinstance(config, ClassifierJudge | GuardJudge) and not is_local(config.path):
        return
    if isinstance(config, ClassifierJudge):
        from lookahead_ray.evaluate.judges.classifier import check_classifier  # imports torch

        check_classifier(config)
        return
    judge = build(config)
    if isinstance(judge, Checkable):
        judge.check()


def can_decide(config: JudgeConfig) -> bool:
    """Return whether the judge can tell that a verdict is final; those that read whole answers can't.

    Raises as `build`, without loading a model and without a key.
    """
    return not isinstance(config, WHOLE_ANSWERS) and isinstance(build(config), PrefixStable)


def judge_id(config: JudgeConfig) -> str:
    """Return the name and a short hash of the fields that decide verdicts; valid as a file name."""
    return f"{config.name}-{content_hash(config.decisive())[:8]}"
