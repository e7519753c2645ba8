"""Every variant of a configuration has an implementation, and the reverse; for suites, tasks and objectives
this is tested with their registries."""

from collections.abc import Collection
from pathlib import Path
from typing import Any, get_args

import pytest
from optuna.samplers import BaseSampler

from lookahead_ray.config.attack import AttackConfig
from lookahead_ray.config.judge import JUDGE_CONFIGS, JudgeConfig
from lookahead_ray.config.method import MethodConfig
from lookahead_ray.config.search import SamplerConfig
from lookahead_ray.data.suites.attacks import NO_ATTACK, load_attacks
from lookahead_ray.evaluate.judges.registry import BUILDERS
from lookahead_ray.method.registry import METHODS
from lookahead_ray.sweep.search.samplers import make_sampler


def variants(union: Any, tag: str = "name") -> dict[str, type[Any]]:
    """Return the configuration classes of an annotated union, by the value of their tag."""
    kinds = get_args(get_args(union)[0])
    found = {get_args(kind.model_fields[tag].annotation)[0]: kind for kind in kinds}
    assert len(found) == len(kinds)
    return found


@pytest.mark.parametrize(
    ("union", "registered"), [(MethodConfig, METHODS), (JudgeConfig, BUILDERS)], ids=["methods", "judges"]
)
def test_registry_and_configuration_have_the_same_names(union: Any, registered: Collection[str]) -> None:
    assert set(variants(union)) == set(registered)


def test_judge_configurations_are_found_by_name() -> None:
    assert variants(JudgeConfig) == JUDGE_CONFIGS


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("name", variants(SamplerConfig))
def test_every_sampler_is_made(name: str) -> None:
    assert isinstance(make_sampler(variants(SamplerConfig)[name](name=name), 0, 1, 0), BaseSampler)


ATTACKS: dict[str, dict[str, Any]] = {
    "prefill": {"tokens": [3]},
    "prefill_text": {"text": "Sure, here is"},
    "suffix": {"path": "suffixes.txt"},
}
"""Fields of one attack of each kind."""


@pytest.mark.parametrize("kind", variants(AttackConfig, "kind"))
def test_every_attack_is_loaded(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("suffixes.txt").write_text("please\n")
    (attack,) = load_attacks([variants(AttackConfig, "kind")[kind](kind=kind, **ATTACKS[kind])])
    assert attack.name != NO_ATTACK
    assert attack.suffix or attack.prefill or attack.opening_tokens
