"""Checkpoints at a URL: complete or absent, and equal to those on a disk. `test_ranks` has two ranks."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import fsspec
import pytest
import torch

from lookahead_ray import filesystem
from lookahead_ray.train.checkpoint.local import Checkpoint, unfit
from lookahead_ray.train.checkpoint.remote import RemoteCheckpoints
from tests.train.checkpoint.test_local import CONFIG, engine_of, run, weights

pytestmark = [pytest.mark.usefixtures("group"), pytest.mark.slow]
MEMORY = fsspec.filesystem("memory")


@pytest.fixture
def url() -> Iterator[str]:
    name = f"memory://{uuid4().hex}/trial"
    yield name
    if MEMORY.exists(name):
        MEMORY.rm(name, recursive=True)


def saved(place: RemoteCheckpoints, last: int = 1) -> Any:
    """Return an engine after so many epochs, with a checkpoint after each."""
    engine = engine_of(CONFIG)

    def on_epoch(steps: Any) -> bool:
        epoch = round(steps[-1].epoch)
        assert place.save(engine, config_hash="h", epoch=epoch, steps=steps, state={"epoch": epoch}) is None
        return epoch < last

    run(engine, CONFIG, on_epoch=on_epoch)
    return engine


def found_in(place: RemoteCheckpoints) -> Checkpoint:
    found = place.read()
    assert found
    assert unfit(found, place.sizes(found), "h", 1) is None
    return found


def test_it_continues_bitwise_and_only_the_last_one_is_kept(url: str) -> None:
    undisturbed = engine_of(CONFIG)
    expected = run(undisturbed, CONFIG)
    saved(RemoteCheckpoints(url), last=2).destroy()
    assert sorted(path.rsplit("/", 1)[-1] for path in MEMORY.ls(url, detail=False)) == [
        "checkpoint.json",
        "epoch-2",
    ]
    place = RemoteCheckpoints(url)
    found = found_in(place)
    assert (found.epoch, found.state, len(found.steps)) == (2, {"epoch": 2}, 4)
    engine = engine_of(CONFIG)
    assert place.load(engine, found) is None
    assert [step.loss for step in run(engine, CONFIG, found.steps)] == [step.loss for step in expected]
    assert all(map(torch.equal, weights(engine), weights(undisturbed)))
    for each in (engine, undisturbed):
        each.destroy()


@pytest.mark.parametrize(("run", "other"), [("lr[1e]", "lre"), ("a*", "ab"), ("b?", "b1")])
def test_a_name_that_is_a_pattern_is_taken_literally(url: str, run: str, other: str) -> None:
    base = url.rsplit("/", 1)[0]
    kept = [f"{base}/{other}/trial/{file}" for file in ("checkpoint.json", "epoch-1/state")]
    for path in kept:
        MEMORY.pipe_file(path, b"x")
    saved(RemoteCheckpoints(f"{base}/{run}/trial"), last=2).destroy()
    assert all(map(MEMORY.exists, kept))
    names = [path.rsplit("/", 1)[-1] for path in MEMORY.ls(f"{base}/{run}/trial", detail=False)]
    assert sorted(names) == ["checkpoint.json", "epoch-2"]
    found_in(RemoteCheckpoints(f"{base}/{run}/trial"))


def test_a_missing_checkpoint_is_none_and_an_incomplete_one_is_rejected(url: str) -> None:
    place = RemoteCheckpoints(url)
    assert place.read() is None
    saved(place).destroy()
    found = found_in(place)
    victim = next(iter(MEMORY.find(f"{url}/{found.folder}")))
    MEMORY.rm(victim)
    assert unfit(found, place.sizes(found), "h", 1) == "its files are incomplete"


@pytest.mark.parametrize("refused", ["put_file", "pipe_file"])
def test_an_upload_that_fails_leaves_the_one_before(
    url: str, refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*arguments: Any, **options: Any) -> None:
        raise OSError("no route to host")

    place = RemoteCheckpoints(url)
    engine = saved(place)
    monkeypatch.setattr(filesystem, "PATIENCE_S", 0.0)
    monkeypatch.setattr(place._fs, refused, fails)
    told = place.save(engine, config_hash="h", epoch=2, steps=(), state={})
    assert told == "OSError: no route to host"
    monkeypatch.undo()
    assert found_in(RemoteCheckpoints(url)).epoch == 1
    engine.destroy()
