"""A checkpoint is complete or absent, and training continues from it exactly.

`test_ranks` tests the same for several ranks, under ZeRO 2.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from lookahead_ray.config.training import LoraConfig, TrainingConfig
from lookahead_ray.method.vanilla import answer_loss
from lookahead_ray.train.batches import optimiser_steps
from lookahead_ray.train.checkpoint import local
from lookahead_ray.train.checkpoint.local import (
    CHECKPOINT_FILE,
    has_disk_space,
    load,
    read_checkpoint,
    save,
    sizes,
    unfit,
)
from lookahead_ray.train.engine import build_engine, prepare_environment
from lookahead_ray.train.loop import train
from lookahead_ray.train.model import prepare_model, supervised
from lookahead_ray.train.step import Step
from tests.toy import toy_model
from tests.train.reference import make_rows

pytestmark = [pytest.mark.usefixtures("group"), pytest.mark.slow]

ROWS = make_rows(7)
CONFIG = TrainingConfig(learning_rate=5e-3, epochs=3, batch_size=4, micro_batch_size=2, precision="fp32")
LORA = LoraConfig(rank=4)


def engine_of(config: TrainingConfig) -> Any:
    prepare_environment(on_gpu=False)
    model = toy_model()
    if config.precision == "bf16":
        model = model.to(torch.bfloat16)
    torch.manual_seed(0)
    total = optimiser_steps(len(ROWS), config.epochs, config.batch_size)
    return build_engine(prepare_model(model, config), config, world_size=1, total_steps=total)


def run(engine: Any, config: TrainingConfig, done: Sequence[Step] = (), **hooks: Any) -> list[Step]:
    loss = supervised(answer_loss, 0)
    return train(engine, ROWS, loss, config, seed=0, on_step=lambda step: None, done=done, **hooks)


def saved(directory: Path, config: TrainingConfig = CONFIG, last: int = 1) -> list[Step]:
    """Train for `last` epochs with a checkpoint after each."""
    engine = engine_of(config)

    def on_epoch(steps: list[Step]) -> bool:
        epoch = round(steps[-1].epoch)
        state = {"epoch": epoch}
        assert save(engine, directory, config_hash="h", epoch=epoch, steps=steps, state=state) is None
        return epoch < last

    steps = run(engine, config, on_epoch=on_epoch)
    engine.destroy()
    return steps


def weights(engine: Any) -> list[torch.Tensor]:
    return [weight.detach().clone() for weight in engine.module.parameters()]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"precision": "bf16"},
        {"lora": LORA, "precision": "bf16"},
        {"zero_stage": 0},
        {"zero_stage": 1, "precision": "bf16"},
        {"zero_stage": 0, "precision": "bf16"},
    ],
    ids=str,
)
def test_it_continues_bitwise(changes: dict[str, Any], tmp_path: Path) -> None:
    config = CONFIG.model_copy(update=changes)
    undisturbed = engine_of(config)
    expected = run(undisturbed, config)
    saved(tmp_path / "trial", config, last=2)

    found = read_checkpoint(tmp_path / "trial")
    assert found
    assert unfit(found, sizes(tmp_path / "trial" / found.folder), "h", 1) is None
    assert (found.epoch, found.state, len(found.steps)) == (2, {"epoch": 2}, 4)
    engine = engine_of(config)
    assert load(engine, tmp_path / "trial", found) is None
    steps = run(engine, config, found.steps)
    assert [(s.step, s.epoch, s.loss, s.learning_rate, s.grad_norm, s.tokens) for s in steps] == [
        (s.step, s.epoch, s.loss, s.learning_rate, s.grad_norm, s.tokens) for s in expected
    ]
    assert all(map(torch.equal, weights(engine), weights(undisturbed)))
    for each in (engine, undisturbed):
        each.destroy()


def test_only_the_last_one_is_kept_and_frozen_weights_are_not(tmp_path: Path) -> None:
    saved(tmp_path / "whole", last=2)
    saved(tmp_path / "adapters", CONFIG.model_copy(update={"lora": LORA}), last=2)
    bytes_ = []
    for name in ("whole", "adapters"):
        assert [path.name for path in (tmp_path / name).glob("epoch-*")] == ["epoch-2"]
        found = read_checkpoint(tmp_path / name)
        assert found
        bytes_.append(sum(found.files.values()))
    assert bytes_[1] < bytes_[0] / 3


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    saved(tmp_path / "trial")
    found = read_checkpoint(tmp_path / "trial")
    assert found
    assert (
        unfit(found, sizes(tmp_path / "trial" / found.folder), "other", 1)
        == "it belongs to another configuration"
    )
    assert unfit(found, sizes(tmp_path / "trial" / found.folder), "h", 2) == "it has 1 ranks, not 2"
    victim = next((tmp_path / "trial" / "epoch-1").iterdir())
    victim.write_bytes(victim.read_bytes()[:-1])
    assert unfit(found, sizes(tmp_path / "trial" / found.folder), "h", 1) == "its files are incomplete"
    shutil.rmtree(tmp_path / "trial" / "epoch-1")
    assert unfit(found, sizes(tmp_path / "trial" / found.folder), "h", 1) == "its files are incomplete"


def test_a_writer_that_dies_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = saved(tmp_path / "trial")
    before = read_checkpoint(tmp_path / "trial")
    engine = engine_of(CONFIG)
    monkeypatch.setattr(local, "_commit", lambda *arguments: None)  # killed before the commit
    save(engine, tmp_path / "trial", config_hash="h", epoch=2, steps=steps, state={})
    assert (tmp_path / "trial" / "epoch-2").is_dir()
    assert read_checkpoint(tmp_path / "trial") == before
    assert before
    assert unfit(before, sizes(tmp_path / "trial" / before.folder), "h", 1) is None
    monkeypatch.undo()
    save(engine, tmp_path / "trial", config_hash="h", epoch=2, steps=steps, state={})
    after = read_checkpoint(tmp_path / "trial")
    assert after
    assert after.epoch == 2
    engine.destroy()


def test_without_room_or_a_shared_disk_none_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(CONFIG)
    assert save(engine, tmp_path / "not" / "there", config_hash="h", epoch=1, steps=(), state={})
    full = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(local.shutil, "disk_usage", lambda path: full)
    failed = save(engine, tmp_path / "trial", config_hash="h", epoch=1, steps=(), state={})
    assert failed == f"no room in {tmp_path}, or not every machine has it"
    assert list(tmp_path.iterdir()) == []
    engine.destroy()


def test_there_must_be_room_for_all_trials_that_run_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(CONFIG)
    needed = sum(weight.numel() * 16 for weight in engine.module.parameters())
    some = shutil.disk_usage(tmp_path)._replace(free=4 * needed)
    monkeypatch.setattr(local.shutil, "disk_usage", lambda path: some)
    assert has_disk_space(engine, tmp_path, 3)
    assert not has_disk_space(engine, tmp_path, 4)
    engine.destroy()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("write failed")])
def test_a_write_that_fails_leaves_the_one_before_and_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    steps = saved(tmp_path / "trial")
    before = read_checkpoint(tmp_path / "trial")
    engine = engine_of(CONFIG)

    def fails(*arguments: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(torch, "save", fails)
    failed = save(engine, tmp_path / "trial", config_hash="h", epoch=2, steps=steps, state={})
    assert failed == f"{type(error).__name__}: {error}"
    assert read_checkpoint(tmp_path / "trial") == before
    assert not (tmp_path / "trial" / "epoch-2").exists()
    monkeypatch.undo()
    assert save(engine, tmp_path / "trial", config_hash="h", epoch=2, steps=steps, state={}) is None
    engine.destroy()


def test_a_commit_that_fails_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = saved(tmp_path / "trial")
    before = read_checkpoint(tmp_path / "trial")
    engine = engine_of(CONFIG)

    def fails(path: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(local, "sync", fails)
    failed = save(engine, tmp_path / "trial", config_hash="h", epoch=2, steps=steps, state={})
    assert failed
    assert "Input/output error" in failed
    assert read_checkpoint(tmp_path / "trial") == before
    engine.destroy()


def test_another_versions_file_is_none(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path) is None
    for content in ("{", "[]", json.dumps({"steps": [{"loss": 1}]}), json.dumps({"steps": [], "new": 1})):
        (tmp_path / CHECKPOINT_FILE).write_text(content)
        assert read_checkpoint(tmp_path) is None
