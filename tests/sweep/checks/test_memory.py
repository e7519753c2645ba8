"""The estimate of memory: its parts add up, and what can't fit is refused."""

from pathlib import Path
from typing import Any

import pytest

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import ConfigError
from lookahead_ray.hardware.node import Node
from lookahead_ray.hardware.precision import MatmulSpeed
from lookahead_ray.model.outline import ModelOutline, outline_model
from lookahead_ray.sweep.checks.memory import check_memory, count_fitting_ranks
from lookahead_ray.train.memory import PROCESS_BYTES, estimate_memory
from tests.hardware.machines import SLOW_CPU
from tests.tiny import make_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("made") / "model")


def trial(folder: Path, **settings: Any) -> tuple[TrialConfig, ModelOutline]:
    training = {"precision": "bf16", **settings.pop("training", {})}
    tree = {"model": {"path": str(folder)}, "task": {"name": "word_problems"}, "training": training}
    config = TrialConfig.model_validate(
        {**tree, "workers": 2, "cpus_per_worker": 1, "gpus_per_worker": 0, **settings}
    )
    return config, outline_model(config.model)


def node(cpu: MatmulSpeed, memory: float | None) -> Node:
    return Node("here", 2.0, 0, None, cpu, None, None if memory is None else int(memory))


def test_states_are_shared_among_ranks(folder: Path) -> None:
    config, outline = trial(folder)
    weights = outline.parameters
    assert estimate_memory(config, outline).least == pytest.approx(PROCESS_BYTES + 2 * weights + 6 * weights)
    whole = estimate_memory(*trial(folder, training={"zero_stage": 0}))
    assert whole.least == pytest.approx(PROCESS_BYTES + 14 * weights)
    adapters = estimate_memory(*trial(folder, training={"lora": {"rank": 1}}))
    assert adapters.least < estimate_memory(config, outline).least
    assert estimate_memory(config, outline, trains=False).least == PROCESS_BYTES + 2 * weights


def test_less_is_kept_with_checkpointing(folder: Path) -> None:
    long = {"max_length": 2048, "micro_batch_size": 32}
    plain, checkpointed = (
        estimate_memory(*trial(folder, training={**long, "gradient_checkpointing": value}))
        for value in (False, True)
    )
    assert checkpointed.peak < plain.peak


def test_what_can_not_fit_is_refused(folder: Path) -> None:
    config, outline = trial(folder)
    with pytest.raises(ConfigError, match=r"must fit into the 1\.0 GB of this machine, but needs at least"):
        check_memory(config, outline, node(SLOW_CPU, 1e9))
    said = check_memory(config, outline, node(SLOW_CPU, 64e9))
    assert said
    assert said.startswith("memory: up to about ")
    assert said.endswith("this machine has 64.0 GB")
    many, _ = trial(folder, training={"micro_batch_size": 4096})
    said = str(check_memory(many, outline, node(SLOW_CPU, 1.4e9)))
    assert "; training may take " in said
    assert "if it runs out, set training.micro_batch_size: 2048 (saves about" in said
    assert "evaluation may take" not in said
    assert check_memory(config, outline, node(SLOW_CPU, None)) is None


@pytest.mark.parametrize(
    ("merge", "lora", "copies"),
    [
        ({"share": 1.0}, None, (0, 0)),
        ({"share": 0.5}, None, (1, 0)),
        ({"share": 0.5}, {"rank": 1}, (0, 0)),
        ({"share": [1.0, 0.5]}, None, (2, 2)),
        ({"share": [1.0, 0.5]}, {"rank": 1}, (1, 1)),
        ({"name": "layers", "share": 0.5, "base_path": "base"}, None, (2, 0)),
        ({"name": "layers", "share": [0.5, 0.0], "base_path": "base"}, {"rank": 1}, (2, 1)),
    ],
)
def test_the_copies_of_rank_0_for_a_merge_are_counted(
    folder: Path, merge: dict[str, Any], lora: Any, copies: tuple[int, int]
) -> None:
    config, outline = trial(folder, merge=merge, training={"lora": lora})
    found = estimate_memory(config, outline)
    weights = 2 * outline.parameters
    assert (found.merging, found.kept) == (copies[0] * weights, copies[1] * weights)
    plain = estimate_memory(*trial(folder, training={"lora": lora}))
    assert found.peak == plain.peak
    assert found.of_ranks(1) >= found.evaluation + found.kept
    said = str(check_memory(config, outline, node(SLOW_CPU, 64e9)))
    assert ("for rank 0's merge" in said) == (copies[0] > 0)


def test_a_merge_that_does_not_fit_is_said(folder: Path) -> None:
    small = {"lora": {"rank": 1}, "micro_batch_size": 1, "max_length": 16}
    config, outline = trial(folder, merge={"share": [1.0, 0.5]}, training=small)
    has = 2 * estimate_memory(config, outline).peak + 1
    said = str(check_memory(config, outline, node(SLOW_CPU, has)))
    assert "if it runs out, set one share of the merge" in said


def test_ranks_are_counted_with_their_share_of_the_copies(folder: Path) -> None:
    plain, outline = trial(folder)
    merged, _ = trial(folder, merge={"share": [1.0, 0.5]})
    memory = 100 * estimate_memory(plain, outline).peak
    fewer, more = (count_fitting_ranks(config, outline, node(SLOW_CPU, memory)) for config in (merged, plain))
    assert fewer is not None
    assert more is not None
    assert fewer <= more == 85
