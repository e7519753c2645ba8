"""The maximum size of a cluster, from the description on its head."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import ConfigError
from lookahead_ray.sweep import cluster
from lookahead_ray.sweep.cluster import description, max_cluster_resources

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
