"""Safety suites in a space file: the probe by default; violations are refused in one line."""

from pathlib import Path

import pytest

from lookahead_ray.config.load import load_sweep, trial_json
from lookahead_ray.config.safety import (
    AdvBenchSuite,
    FileSuite,
    HexPhiSuite,
    JailbreakBenchSuite,
    ProbeSuite,
    XsTestSuite,
)
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import ConfigError


def load(folder: Path, safety: str, *overrides: str) -> TrialConfig:
    path = folder / "space.yaml"
    path.write_text(f"task: {{name: word_problems}}\n{safety}", encoding="utf-8")
    return load_sweep(path, overrides).reference()


@pytest.mark.parametrize(
    ("safety", "suite"),
    [
        ("", ProbeSuite()),
        ("safety: {}", ProbeSuite()),
        ("safety: {harmful_prompts: 5}", ProbeSuite(harmful_prompts=5)),
        ("safety: {name: probe, benign_prompts: null}", ProbeSuite()),
        ("safety: {name: hex_phi, path: a}", HexPhiSuite(name="hex_phi", path="a")),
        ("safety: {name: advbench, harmful_prompts: 9}", AdvBenchSuite(name="advbench", harmful_prompts=9)),
        (
            "safety: {name: jailbreakbench, revision: v1}",
            JailbreakBenchSuite(name="jailbreakbench", revision="v1"),
        ),
        ("safety: {name: xstest, path: x.csv}", XsTestSuite(name="xstest", path="x.csv")),
        (
            "safety: {name: file, label: mine, benign_path: b}",
            FileSuite(name="file", label="mine", benign_path="b"),
        ),
    ],
)
def test_round_trip_through_json(tmp_path: Path, safety: str, suite: object) -> None:
    config = load(tmp_path, safety)
    assert config.safety == (suite,)
    assert TrialConfig.model_validate(trial_json(config)) == config


def test_overrides_reach_the_probe_without_its_name(tmp_path: Path) -> None:
    config = load(tmp_path, "safety: {harmful_prompts: 5}", "safety.harmful_prompts=null")
    assert config.safety == (ProbeSuite(),)
    assert load(tmp_path, "", "safety.benign_prompts=4").safety == (ProbeSuite(benign_prompts=4),)


def test_several_suites_keep_their_order(tmp_path: Path) -> None:
    config = load(tmp_path, "safety: [{harmful_prompts: 5}, {name: advbench}]")
    assert config.safety == (ProbeSuite(harmful_prompts=5), AdvBenchSuite(name="advbench"))
    assert TrialConfig.model_validate(trial_json(config)) == config
    assert load(tmp_path, "", "safety=[{name: xstest}, {}]").safety == (
        XsTestSuite(name="xstest"),
        ProbeSuite(),
    )


def test_suites_can_be_a_dimension(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text(
        "task: {name: word_problems}\nsafety: {choice: [{name: advbench}, {harmful_prompts: {int: [1, 3]}}]}"
    )
    assert [dimension.name for dimension in load_sweep(path).dimensions] == [
        "safety",
        "safety.1.harmful_prompts",
    ]


@pytest.mark.parametrize(
    ("safety", "rule"),
    [
        ("{name: other}", "safety: 'name' must be one of 'probe', 'hex_phi', 'advbench', 'jailbreakbench',"),
        ("{harmful_prompts: 0}", "safety.harmful_prompts: input should be greater than or equal to 1, got 0"),
        ("{path: x}", "safety.path: unknown field for the variant 'probe', got 'x'"),
        (
            "{name: hex_phi, benign_prompts: 3}",
            "safety.benign_prompts: unknown field for the variant 'hex_phi'",
        ),
        ("{name: file}", "safety: harmful_path or benign_path must be given, got neither"),
        ("3", "safety: input should be a valid tuple, got 3"),
        ("[]", "safety: tuple should have at least 1 item after validation, not 0, got "),
        ("[{}, {path: x}]", "safety.1.path: unknown field for the variant 'probe', got 'x'"),
        ("[{}, {name: other}]", "safety.1: 'name' must be one of 'probe', "),
        ("[{}, {harmful_prompts: 3}]", "safety: must be suites with labels that differ, got 'probe' twice"),
        (
            "[{name: advbench}, {name: file, label: advbench, harmful_path: a}]",
            "safety: must be suites with labels that differ, got 'advbench' twice",
        ),
    ],
)
def test_invalid_values_are_refused(tmp_path: Path, safety: str, rule: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, f"safety: {safety}")
    message = str(caught.value)
    assert message.isprintable()
    assert message.startswith(f"{tmp_path}/space.yaml: {rule}")
