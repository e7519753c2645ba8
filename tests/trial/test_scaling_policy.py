"""The number of ranks of a trial."""

from importlib import import_module
from typing import Any

import pytest

from lookahead_ray.config.search import ElasticConfig
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.trial import scaling_policy
from lookahead_ray.trial.scaling_policy import place_ranks, rank_capacity


def trial(**changes: Any) -> TrialConfig:
    fields = {"model": {"path": "m"}, "task": {"name": "word_problems"}, "preview": {"strategy": "none"}}
    ranks = {"workers": 4, "cpus_per_worker": 2, "gpus_per_worker": 0}
    return TrialConfig.model_validate({**fields, **ranks, **changes})


def node(alive: bool = True, **resources: float) -> dict[str, Any]:
    return {"Alive": alive, "Resources": resources}


def test_room_is_counted_node_by_node() -> None:
    nodes = [node(CPU=5.0), node(CPU=1.0), node(CPU=4.0), node(alive=False, CPU=64.0), node()]
    assert rank_capacity(trial(), nodes) == 2 + 0 + 2
    assert rank_capacity(trial(gpus_per_worker=1), [node(CPU=64.0, GPU=3.0), node(CPU=64.0)]) == 3


@pytest.fixture
def requested(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Placement groups that were requested and not released; none is ever ready. A poll takes a second."""
    groups: list[Any] = []
    clock = [0.0]

    class Group:
        def ready(self) -> str:
            return "ready"

    def make(bundles: list[dict[str, float]], strategy: str) -> Group:
        groups.append((bundles, strategy))
        return Group()

    def wait(refs: list[str], timeout: float) -> tuple[list[str], list[str]]:
        clock[0] += timeout
        return [], refs

    module = import_module("ray.util.placement_group")
    monkeypatch.setattr(module, "placement_group", make)
    monkeypatch.setattr(module, "remove_placement_group", lambda group: groups.pop())
    monkeypatch.setattr("ray.wait", wait)
    monkeypatch.setattr(scaling_policy.time, "monotonic", lambda: clock[0])
    return groups


def test_fewer_ranks_after_the_time_but_never_below_the_minimum(requested: list[Any]) -> None:
    rooms = iter([1, 1, 3])
    seen: list[Any] = []

    def room_now() -> int:
        seen.append(list(requested))
        return next(rooms)

    assert place_ranks(trial(), ElasticConfig(min_workers=2, after_minutes=10 / 60), room_now).workers == 3
    assert len(seen) == 3  # no poll before the time is over
    assert seen[0] == [([{"CPU": 2.0}] * 4, "PACK")]
    assert requested == []


def test_all_where_there_is_room(requested: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.wait", lambda refs, timeout: (refs, []))
    monkeypatch.setattr(scaling_policy, "_node_of", lambda group: "node")
    assert place_ranks(trial(), ElasticConfig(min_workers=1, after_minutes=10 / 60), lambda: 0).workers == 4
    assert requested == []


def test_it_waits_while_other_trials_use_the_resources(requested: list[Any]) -> None:
    rooms = iter([4, 4, 3])
    assert (
        place_ranks(trial(), ElasticConfig(min_workers=1, after_minutes=1 / 60), lambda: next(rooms)).workers
        == 3
    )
