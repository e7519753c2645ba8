"""The maximum size of a cluster, from the description on its head."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import ConfigError
from lookahead_ray.sweep import cluster
from lookahead_ray.sweep.cluster import HEAD_RESOURCE, description, max_cluster_resources, trials_on_head

HEAD = {"resources": {"CPU": 0}, "max_workers": 0}
A100 = {"resources": {"CPU": 96, "GPU": 8}, "max_workers": 4}


def described(**changed: Any) -> dict[str, Any]:
    types = {"head": HEAD, "a100": A100}
    return {"max_workers": 4, "head_node_type": "head", "available_node_types": types} | changed


def test_from_nothing() -> None:
    assert max_cluster_resources({"memory": 1.0}, described()) == {"memory": 1, "CPU": 384, "GPU": 32}


def test_the_clusters_limit_bounds_a_types() -> None:
    assert max_cluster_resources({}, described(max_workers=1)) == {"CPU": 96, "GPU": 8}


def test_without_a_description_the_existing_nodes_count() -> None:
    own_machines = described(head_node_type="node", available_node_types={"node": {"resources": {}}})
    assert max_cluster_resources({"CPU": 16.0}, own_machines) == {"CPU": 16}
    assert max_cluster_resources({"CPU": 16.0}, {}) == {"CPU": 16}


def test_the_heads_file(tmp_path: Path) -> None:
    path = tmp_path / "ray_bootstrap_config.yaml"
    assert description(path) == {}
    path.write_text(yaml.safe_dump(described()), encoding="utf-8")
    assert description(path) == described()


def test_a_sweep_starts_on_a_cluster_without_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.cluster_resources", lambda: {"node:__internal_head__": 1.0})
    monkeypatch.setattr("ray.nodes", list)
    monkeypatch.setattr(cluster, "description", described)
    config = TrialConfig.model_validate(
        {
            "model": {"path": "m"},
            "task": {"name": "word_problems"},
            "preview": {"strategy": "none"},
            "workers": 4,
            "cpus_per_worker": 1,
            "gpus_per_worker": 1,
        }
    )
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:6379")
    assert cluster.concurrency(config, None) == 8
    assert cluster.concurrency(config, 2) == 2
    monkeypatch.delenv("RAY_ADDRESS")
    with pytest.raises(ConfigError, match="one trial needs"):
        cluster.concurrency(config, None)


@pytest.mark.parametrize(
    ("variable", "address", "cores"),
    [(None, "local", 3), ("", "local", 3), ("auto", "auto", None), ("10.0.0.1:6379", "10.0.0.1:6379", None)],
)
def test_a_cluster_is_joined_only_where_the_variable_names_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str | None, address: str, cores: int | None
) -> None:
    """Not the one in a file of Ray's, which may belong to another user."""
    seen: dict[str, Any] = {}
    monkeypatch.setattr("ray.init", lambda **options: seen.update(options))
    monkeypatch.setattr("ray.shutdown", lambda: None)
    monkeypatch.setattr(cluster, "usable_cores", lambda: 3)
    if variable is None:
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
    else:
        monkeypatch.setenv("RAY_ADDRESS", variable)
    with cluster.cluster(tmp_path / "log"):
        assert (seen["address"], seen["num_cpus"]) == (address, cores)


def test_the_heads_memory_bounds_the_trials_that_run_at_once() -> None:
    def node(head: bool, memory: float, alive: bool = True) -> dict[str, Any]:
        resources = {"memory": memory, "CPU": 8.0} | ({HEAD_RESOURCE: 1.0} if head else {})
        return {"Alive": alive, "Resources": resources}

    gib = 2.0**30
    assert trials_on_head([node(False, 900 * gib), node(True, 8 * gib)]) == 37
    assert trials_on_head([node(True, 1 * gib)]) == 1
    assert trials_on_head([node(False, 8 * gib), node(True, 8 * gib, alive=False)]) is None


def test_the_heads_of_the_cluster_files_hold_the_trials_that_they_allow() -> None:
    root = Path(__file__).parents[2]
    aws = yaml.safe_load((root / "cluster.yaml").read_text(encoding="utf-8"))
    machines = {"m5.xlarge": 16}  # GiB
    memory = machines[aws["available_node_types"]["head"]["node_config"]["InstanceType"]]
    kuberay = next(yaml.safe_load_all((root / "clusters/kuberay.yaml").read_text(encoding="utf-8")))["spec"]
    (head,) = kuberay["headGroupSpec"]["template"]["spec"]["containers"]
    limit = int(head["resources"]["limits"]["memory"].removesuffix("Gi"))
    for gib, most in ((memory, aws["max_workers"]), (limit, kuberay["workerGroupSpecs"][0]["maxReplicas"])):
        of_ray = 0.6 * gib * 2**30  # Ray counts 70 % of what is free at its start
        on_head = trials_on_head([{"Alive": True, "Resources": {HEAD_RESOURCE: 1.0, "memory": of_ray}}])
        assert on_head is not None
        assert on_head >= 8 * most  # with one GPU each
