"""The hardware of a sweep: measured where its ranks run, kept when resumed, refused if nothing fits."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from lookahead_ray.config.load import load_sweep
from lookahead_ray.errors import ConfigError
from lookahead_ray.hardware.node import Node
from lookahead_ray.sweep import hardware
from lookahead_ray.sweep.hardware import Fitted, fit_to_hardware, look_at_hardware
from tests.hardware.machines import SLOW_CPU, node

SPACE = "task: {name: word_problems}\npreview: {strategy: true, length_tokens: {int: [1, 4]}}\n"


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


def fit(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    more: str = "",
    here: Node | None = None,
    began_with: str | None = None,
    overrides: Sequence[str] = (),
) -> Fitted:
    path = folder / "space.yaml"
    path.write_text(SPACE + more)
    monkeypatch.setattr(hardware, "describe_local_node", lambda: here or node())
    return fit_to_hardware(load_sweep(path, overrides), folder / "log", print, began_with)


def test_this_machine_decides_for_all_trials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = fit(monkeypatch, tmp_path, here=node(cpu=SLOW_CPU))
    (line,) = found.lines
    assert line.startswith("runs on 2 ranks × 1 CPU core of this machine, fp32: a bf16 product runs at 0.014")
    for config in (found.sweep.reference(), found.sweep.trial(found.sweep.reference_value)):
        assert (config.training.precision, *config.resources) == ("fp32", 2, 1, 0)
    fast = fit(monkeypatch, tmp_path, here=node(cores=4, gpus=4)).sweep.reference()
    assert (fast.training.precision, *fast.resources) == ("bf16", 4, 1, 1)


@pytest.mark.parametrize(
    ("gigabytes", "more", "workers", "cores", "at_once", "said"),
    [
        (64, "", 2, 1, None, None),
        (12, "", 1, 2, 1, "memory holds 1 of 2 possible ranks and 1 of 2 possible trials at a time"),
        (12, "workers: 1\n", 1, 2, 1, "memory holds 1 of 2 possible trials at a time"),
        (12, "workers: 1\ncpus_per_worker: 1\n", 1, 1, 1, "memory holds 1 of 2 possible trials at a time"),
        (12, "workers: 2\n", 2, 1, None, None),
        (64, "workers: 1\n", 1, 1, None, None),
        (64, "workers: 1\nsearch: {max_concurrent: 1}\n", 1, 2, None, None),
    ],
)
def test_memory_bounds_ranks_and_trials_at_once_and_idle_cores_are_used(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    gigabytes: float,
    more: str,
    workers: int,
    cores: float,
    at_once: int | None,
    said: str | None,
) -> None:
    here = replace(node(cpu=SLOW_CPU), memory=int(gigabytes * 1e9))
    more += "training: {micro_batch_size: 16}\nevaluation: {batch_size: 64}\n"
    found = fit(monkeypatch, tmp_path, more, here=here)
    assert found.sweep.hardware
    assert found.sweep.reference().resources == (workers, cores, 0)
    assert found.sweep.hardware.trials_at_once == at_once
    assert [line for line in found.lines if line.startswith("memory holds")] == ([said] if said else [])


def test_the_identity_keeps_auto_for_ranks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = fit(monkeypatch, tmp_path, "workers: auto\n")
    assert found.sweep.resolved["workers"] == "auto"
    assert found.sweep.hash == load_sweep(tmp_path / "space.yaml").hash


def test_a_run_keeps_the_precision_that_it_began_with(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = fit(monkeypatch, tmp_path, here=node(cpu=SLOW_CPU), began_with="bf16")
    assert found.sweep.reference().training.precision == "bf16"
    assert found.lines == (
        "runs on 2 ranks × 1 CPU core of this machine, bf16: as in this run's earlier trials",
    )
    with pytest.raises(
        ConfigError, match=r"training\.precision: must stay bf16, the precision of .* got fp32"
    ):
        fit(monkeypatch, tmp_path, began_with="bf16", overrides=["training.precision=fp32"])


def test_a_precision_that_is_searched_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = fit(
        monkeypatch,
        tmp_path,
        began_with="fp32",
        overrides=["training.precision={choice: [bf16, fp32]}"],
    )
    assert found.sweep.reference().training.precision == "bf16"


def test_bf16_is_used_as_configured_and_its_cost_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = fit(monkeypatch, tmp_path, "training: {precision: bf16}\n", here=node(cpu=SLOW_CPU))
    assert found.sweep.reference().training.precision == "bf16"
    assert "bf16 as asked for, but a bf16 product runs at 0.014 times the speed of fp32" in found.lines[1]
    assert len(fit(monkeypatch, tmp_path, "training: {precision: bf16}\n").lines) == 1


@pytest.mark.parametrize(
    ("more", "got"),
    [
        ("workers: 3\n", "workers: 3 × cpus_per_worker 1 must fit into this machine's 2 cores, got 3"),
        (
            "workers: 2\ncpus_per_worker: 1.5\n",
            "workers: 2 × cpus_per_worker 1.5 must fit into this machine's 2 cores, got 3",
        ),
        (
            "workers: {int: [1, 4]}\n",
            "workers: 4 × cpus_per_worker 1 must fit into this machine's 2 cores, got 4",
        ),
        (
            "gpus_per_worker: 1\n",
            "gpus_per_worker: this machine has no GPU that PyTorch can use, got 1; leave it out (auto) to "
            "take what is there, or set it to 0 to train on CPU cores",
        ),
        ("training: {liger: true}\n", "training.liger: must be false without GPUs, got true"),
    ],
)
def test_what_this_machine_lacks_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, more: str, got: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        fit(monkeypatch, tmp_path, more)
    assert str(caught.value) == f"{tmp_path / 'space.yaml'}: {got}"


def described(**resources: float) -> dict[str, Any]:
    machines = {"head": {"resources": {"CPU": 0}}, "worker": {"resources": resources, "max_workers": 2}}
    return {"max_workers": 2, "head_node_type": "head", "available_node_types": machines}


def test_a_cluster_file_gives_the_maximum_size(tmp_path: Path) -> None:
    path, space = tmp_path / "cluster.yaml", tmp_path / "space.yaml"
    space.write_text(SPACE)
    sweep = load_sweep(space)
    path.write_text(yaml.safe_dump(described(CPU=8, GPU=4)))
    (line,) = look_at_hardware(sweep, str(path)).lines
    assert line.startswith(f"runs on 4 ranks × 1 GPU of {path}; precision is chosen on those machines")
    with pytest.raises(ConfigError, match=r"16 × gpus_per_worker 1 must fit into .*'s 8 GPUs"):
        look_at_hardware(load_sweep(space, ["workers=16"]), str(path))
    path.write_text(yaml.safe_dump(described(CPU=8)))
    with pytest.raises(ConfigError, match="has no GPU"):
        look_at_hardware(load_sweep(space, ["gpus_per_worker=1"]), str(path))
    path.write_text(yaml.safe_dump(described()))
    (line,) = look_at_hardware(sweep, str(path)).lines
    assert line.endswith("does not list its machines' resources")


@pytest.mark.parametrize("content", [None, "[project]\nname = 1\n", "- a\n", ""])
def test_invalid_cluster_files(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "cluster.yaml"
    (tmp_path / "space.yaml").write_text(SPACE)
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match="--cluster: must be a YAML file for `ray up`, got"):
        look_at_hardware(load_sweep(tmp_path / "space.yaml"), str(path))


class TestOnACluster:
    @pytest.fixture(autouse=True)
    def elsewhere(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        from contextlib import nullcontext

        monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:6379")
        monkeypatch.setattr(hardware, "cluster", lambda log: nullcontext())
        monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 16.0})
        monkeypatch.setattr(
            "ray.nodes", lambda: [{"Alive": True, "NodeID": "1", "Resources": {"CPU": 8.0}}] * 2
        )
        monkeypatch.setattr("lookahead_ray.sweep.cluster.description", dict)
        (tmp_path / "space.yaml").write_text(SPACE)

    def test_unlike_machines_use_what_all_support(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        nodes = [node(cores=8, host="new"), node(cores=8, cpu=SLOW_CPU, host="old")]
        monkeypatch.setattr(hardware, "_probe_cluster", lambda placement, say, wait: nodes)
        found = fit_to_hardware(load_sweep(tmp_path / "space.yaml"), tmp_path / "log", print)
        config = found.sweep.reference()
        assert (config.training.precision, *config.resources) == ("fp32", 8, 1, 0)
        assert "(old)" in found.lines[0]

    def test_a_resumed_run_measures_nothing(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        def never(*arguments: Any) -> None:
            raise AssertionError("measured")

        monkeypatch.setattr(hardware, "_probe_cluster", never)
        sweep = load_sweep(tmp_path / "space.yaml")
        found = fit_to_hardware(sweep, tmp_path / "log", print, began_with="bf16")
        assert found.sweep.reference().training.precision == "bf16"

    def test_more_than_the_cluster_has(self, tmp_path: Path) -> None:
        sweep = load_sweep(tmp_path / "space.yaml", ["workers=17"])
        with pytest.raises(ConfigError, match="17 × cpus_per_worker 1 must fit into the cluster's 16 cores"):
            fit_to_hardware(sweep, tmp_path / "log", print)
