"""The values of `auto` on each machine, and what no machine can hold."""

import json
from dataclasses import asdict
from typing import Any

import pytest

from lookahead_ray.config.auto import HardwareValues
from lookahead_ray.config.trial import Resources, TrialConfig
from lookahead_ray.errors import ConfigError
from lookahead_ray.hardware.choice import (
    Capacity,
    choose_placement,
    choose_precision,
    describe_cost,
)
from lookahead_ray.hardware.node import Node
from tests.hardware.machines import SLOW_CPU, VOLTA, node


def trial(**fields: Any) -> TrialConfig:
    training = {"batch_size": 8, "micro_batch_size": 4, **fields.pop("training", {})}
    return TrialConfig.model_validate({"task": {"name": "word_problems"}, "training": training, **fields})


def placed(here: Node, **fields: Any) -> tuple[int, float]:
    found = choose_placement(trial(**fields), Capacity.of_node(here))
    return found.workers, found.gpus_per_worker


@pytest.mark.parametrize(
    ("here", "fields", "expected"),
    [
        (node(cores=1), {}, (1, 0)),
        (node(cores=2), {}, (2, 0)),
        (node(cores=16), {}, (2, 0)),  # one rank per micro-batch
        (node(cores=16), {"training": {"batch_size": 64}}, (16, 0)),
        (node(cores=16), {"cpus_per_worker": 16.0}, (1, 0)),
        (node(gpus=1), {}, (1, 1)),
        (node(cores=8, gpus=8), {}, (2, 1)),
        (node(cores=8, gpus=8), {"training": {"batch_size": 64, "micro_batch_size": 16}}, (4, 1)),
        (node(cores=8, gpus=8), {"gpus_per_worker": 0}, (2, 0)),
        (node(cores=8, gpus=8), {"workers": 1}, (1, 1)),
        (node(cores=8, gpus=1), {"gpus_per_worker": 0.5}, (2, 0.5)),
    ],
)
def test_ranks_and_gpus(here: Node, fields: dict[str, Any], expected: tuple[int, float]) -> None:
    assert placed(here, **fields) == expected


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"gpus_per_worker": 1},
            "gpus_per_worker: this machine has no GPU that PyTorch can use, got 1; leave it",
        ),
        ({"workers": 3}, "workers: 3 × cpus_per_worker 1 must fit into this machine's 2 cores, got 3"),
        ({"cpus_per_worker": 2.5}, "workers: 1 × cpus_per_worker 2.5 must fit into this machine's 2 cores"),
    ],
)
def test_more_than_there_is_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        placed(node(), **fields)


def test_more_gpus_than_there_are() -> None:
    with pytest.raises(ConfigError, match="3 × gpus_per_worker 1 must fit into this machine's 2 GPUs, got 3"):
        placed(node(cores=8, gpus=2), workers=3)


def test_bf16_takes_all_nodes() -> None:
    assert choose_precision([node(), node()], on_gpu=False)[0] == "bf16"
    name, reason = choose_precision([node(), node(cpu=SLOW_CPU, host="old")], on_gpu=False)
    assert (name, reason) == (
        "fp32",
        "a bf16 product runs at 0.014 times the speed of fp32 on this CPU (old)",
    )


def test_on_gpus_their_cpus_do_not_count() -> None:
    assert choose_precision([node(gpus=1, cpu=SLOW_CPU)], on_gpu=True)[0] == "bf16"
    assert choose_precision([node(gpus=1, gpu=VOLTA)], on_gpu=True)[0] == "fp32"


def test_the_cost_of_bf16_is_reported_where_it_is_slow() -> None:
    assert describe_cost([node()], on_gpu=False) is None
    said = describe_cost([node(cpu=SLOW_CPU)], on_gpu=False)
    assert said is not None
    assert "0.014 times the speed of fp32" in said


def test_values_fill_only_auto_fields() -> None:
    values = HardwareValues("fp32", 4, 1.0)
    filled = values.fill(trial())
    assert (filled.training.precision, *filled.resources) == ("fp32", 4, 1, 1)
    kept = values.fill(trial(workers=2, gpus_per_worker=0, training={"precision": "bf16"}))
    assert (kept.training.precision, *kept.resources) == ("bf16", 2, 1, 0)
    assert values.fill(trial(training={"batch_size": 2})).resources.workers == 2


def test_unresolved_fields_reserve_nothing() -> None:
    with pytest.raises(ConfigError, match="workers: auto must be resolved"):
        _ = trial().resources


def test_nodes_travel_as_json() -> None:
    for here in (node(), node(gpus=2)):
        assert Node.from_json(json.loads(json.dumps(asdict(here)))) == here


@pytest.mark.parametrize(
    ("placement", "words"),
    [
        (Resources(1, 1.0, 0.0), "1 rank × 1 CPU core"),
        (Resources(2, 1.5, 0.0), "2 ranks × 1.5 CPU cores"),
        (Resources(4, 1.0, 1.0), "4 ranks × 1 GPU"),
    ],
)
def test_a_placement_in_words(placement: Resources, words: str) -> None:
    assert str(placement) == words
