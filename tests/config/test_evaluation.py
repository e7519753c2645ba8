"""Attacks and judges in a space file: by default a prefill of 3 tokens and the refusal judge."""

from pathlib import Path

import pytest

from lookahead_ray.config.attack import PrefillAttack, PrefillTextAttack, SuffixAttack
from lookahead_ray.config.evaluation import EvaluationConfig
from lookahead_ray.config.judge import KeywordJudge, RefusalJudge
from lookahead_ray.config.load import load_sweep, trial_json
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import ConfigError


def load(folder: Path, evaluation: str, *overrides: str) -> EvaluationConfig:
    path = folder / "space.yaml"
    path.write_text(f"task: {{name: word_problems}}\nevaluation: {evaluation}", encoding="utf-8")
    config = load_sweep(path, overrides).reference()
    assert TrialConfig.model_validate(trial_json(config)) == config
    return config.evaluation


def names(config: EvaluationConfig) -> list[str]:
    return [name for attack in config.attacks for name in attack.names]


def test_the_defaults(tmp_path: Path) -> None:
    config = load(tmp_path, "{}")
    assert config == EvaluationConfig()
    assert config.attacks == (PrefillAttack(tokens=(3,)),)
    assert config.judges == (RefusalJudge(),)
    assert (config.kl_on, config.kl_tokens, names(config)) == ("openings", 8, ["prefill_3"])
    assert (config.safety_new_tokens, config.task_new_tokens) == (512, 1024)  # as published
    assert config.safety_system is None  # the task's; the published one differs from that of training


def test_every_attack_is_read_and_named(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        "{attacks: [{kind: prefill, tokens: [1, 3]}, {kind: prefill, tokens: 5},"
        " {kind: prefill_text, text: 'Sure, '},"
        " {kind: prefill_text, text: 'Sure, ', label: sure}, {kind: suffix, path: s.txt, label: gcg}]}",
    )
    assert config.attacks == (
        PrefillAttack(tokens=(1, 3)),
        PrefillAttack(tokens=(5,)),
        PrefillTextAttack(kind="prefill_text", text="Sure, "),
        PrefillTextAttack(kind="prefill_text", text="Sure, ", label="sure"),
        SuffixAttack(kind="suffix", path="s.txt", label="gcg"),
    )
    found = names(config)
    assert found == [
        "prefill_1",
        "prefill_3",
        "prefill_5",
        found[3],
        "prefill_text_sure",
        "suffix_gcg",
    ]
    assert found[3] == PrefillTextAttack(kind="prefill_text", text="Sure, ").names[0] != "prefill_text_sure"
    assert len(set(found)) == len(found)
    assert not {"none", "rsr", "jsr", "over_refusal", "utility"} & set(found)


def test_overrides_replace_the_lists(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        "{}",
        "evaluation.attacks=[{tokens: 2, kind: prefill}]",
        "evaluation.judges=[{name: keyword}]",
    )
    assert config.attacks == (PrefillAttack(tokens=(2,)),)
    assert config.judges == (KeywordJudge(),)
    assert load(tmp_path, "{attacks: []}").attacks == ()


@pytest.mark.parametrize(
    ("evaluation", "rule"),
    [
        ("{prefill_tokens: 3}", "evaluation.prefill_tokens: unknown field, got 3"),
        ("{attacks: [{kind: prefill, tokens: 0}]}", "evaluation.attacks.0.tokens: input should be greater"),
        ("{attacks: [{kind: prefill, tokens: []}]}", "evaluation.attacks.0.tokens: tuple should have at"),
        ("{attacks: [{kind: prefill, tokens: true}]}", "evaluation.attacks.0.tokens: "),
        ("{attacks: [{kind: prefill, tokens: [1, 2.5]}]}", "evaluation.attacks.0.tokens.1: "),
        ("{attacks: [{tokens: 3}]}", "evaluation.attacks.0: needs the field 'kind', which selects"),
        ("{attacks: [{kind: gcg}]}", "evaluation.attacks.0: 'kind' must be one of 'prefill', 'prefill_text'"),
        (
            "{attacks: [{kind: prefill, text: x}]}",
            "evaluation.attacks.0.text: unknown field for the variant 'prefi",
        ),
        ("{attacks: [{kind: prefill_text, text: ''}]}", "evaluation.attacks.0.text: "),
        ("{attacks: [{kind: prefill_text, text: a, label: A b}]}", "evaluation.attacks.0.label: "),
        (
            "{attacks: [{kind: prefill, tokens: [3, 1, 3]}]}",
            "evaluation.attacks: must be attacks with names that differ, got prefill_3 twice",
        ),
        (
            "{attacks: [{kind: prefill}, {kind: prefill, tokens: [1, 3]}]}",
            "evaluation.attacks: must be attacks with names that differ, got prefill_3 twice",
        ),
        (
            "{attacks: [{kind: prefill_text, text: a}, {kind: prefill_text, text: a}]}",
            "evaluation.attacks: must be attacks with names that differ, got prefill_text_",
        ),
        (
            "{attacks: [{kind: suffix, path: a.txt}, {kind: suffix, path: a.txt}]}",
            "evaluation.attacks: must be attacks with names that differ, got suffix file a.txt twice",
        ),
        ("{judges: []}", "evaluation.judges: "),
        ("{judges: [{name: refusal}, {name: refusal}]}", "evaluation.judges: must be judges that differ"),
        ("{kl_on: answers}", "evaluation.kl_on: input should be 'openings' or 'seed_answers', got 'answers'"),
    ],
)
def test_invalid_values_are_refused(tmp_path: Path, evaluation: str, rule: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, evaluation)
    message = str(caught.value)
    assert message.isprintable()
    assert message.startswith(f"{tmp_path}/space.yaml: {rule}")
