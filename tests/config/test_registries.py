"""Every built-in variant of a configuration is in its registry with the same class."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from optuna.samplers import BaseSampler

from lookahead_ray.config.attack import AttackConfig
from lookahead_ray.config.judge import JudgeConfig
from lookahead_ray.config.merge import MergeConfig
from lookahead_ray.config.method import MethodConfig
from lookahead_ray.config.objective import ObjectiveConfig
from lookahead_ray.config.safety import SafetyConfig
from lookahead_ray.config.search import SamplerConfig
from lookahead_ray.config.task import TaskConfig
from lookahead_ray.config.variants import Extensible
from lookahead_ray.data.suites.attacks import NO_ATTACK, load_attacks
from lookahead_ray.data.suites.registry import SUITES
from lookahead_ray.data.tasks.registry import TASKS
from lookahead_ray.evaluate.judges.registry import BUILDERS
from lookahead_ray.merge.registry import MERGES
from lookahead_ray.method.registry import METHODS
from lookahead_ray.objective.registry import OBJECTIVES
from lookahead_ray.sweep.search.samplers import SAMPLERS, make_sampler

UNIONS: dict[str, tuple[Any, Mapping[str, Any]]] = {
    "judges": (JudgeConfig, BUILDERS),
    "suites": (SafetyConfig, SUITES),
    "tasks": (TaskConfig, TASKS),
    "methods": (MethodConfig, METHODS),
    "merges": (MergeConfig, MERGES),
    "objectives": (ObjectiveConfig, OBJECTIVES),
    "samplers": (SamplerConfig, SAMPLERS),
}


def variants(union: Any, tag: str = "name") -> dict[str, type[Any]]:
    """Return the configuration classes of an annotated union, by the value of their tag."""
    kinds = get_args(get_args(union)[0])
    found = {get_args(kind.model_fields[tag].annotation)[0]: kind for kind in kinds}
    assert len(found) == len(kinds)
    return found


@pytest.mark.parametrize(("union", "registry"), UNIONS.values(), ids=UNIONS)
def test_the_registry_has_every_class_of_the_union(union: Any, registry: Mapping[str, Any]) -> None:
    assert variants(union).items() <= {name: entry.config_class for name, entry in registry.items()}.items()


@pytest.mark.parametrize("registry", [registry for _, registry in UNIONS.values()], ids=UNIONS)
def test_the_class_of_an_entry_has_its_name(registry: Mapping[str, Any]) -> None:
    for name, entry in registry.items():
        assert get_args(entry.config_class.model_fields["name"].annotation) == (name,)


@pytest.mark.parametrize(("union", "registry"), UNIONS.values(), ids=UNIONS)
def test_the_union_is_extended_by_its_registry(union: Any, registry: Mapping[str, Any]) -> None:
    (extensible,) = (each for each in get_args(union) if isinstance(each, Extensible))
    assert list(extensible.config_classes()) == list(registry)


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
