"""A model is identified without reading all of its weights."""

from pathlib import Path

import pytest

from lookahead_ray.model.fingerprint import BLOCK_BYTES, BLOCKS, fingerprint

LARGE = 2 * BLOCKS * BLOCK_BYTES


@pytest.fixture
def model(tmp_path: Path) -> Path:
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / "config.json").write_text("{}")
    (directory / "tokenizer.json").write_text("{}")
    (directory / "small.safetensors").write_bytes(b"weights")
    with (directory / "large.safetensors").open("wb") as file:
        file.truncate(LARGE)
    return directory


def poke(path: Path, position: int) -> None:
    with path.open("r+b") as file:
        file.seek(position)
        file.write(b"x")


def test_a_copy_elsewhere_is_the_same_model(model: Path, tmp_path: Path) -> None:
    before = fingerprint(str(model))
    (model / "README.md").write_text("notes")
    assert fingerprint(str(model)) == before
    assert fingerprint(str(model.rename(tmp_path / "moved"))) == before


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "small.safetensors"])
def test_small_files_are_read_whole(model: Path, name: str) -> None:
    before = fingerprint(str(model))
    (model / name).write_text((model / name).read_text().replace("}", " }").replace("ht", "th"))
    assert fingerprint(str(model)) != before


def test_large_files_are_read_at_both_ends_and_between(model: Path) -> None:
    seen = {fingerprint(str(model))}
    for position in (0, LARGE - 1, 5 * (LARGE - BLOCK_BYTES) // (BLOCKS - 1)):
        poke(model / "large.safetensors", position)
        seen.add(fingerprint(str(model)))
    assert len(seen) == 4
    poke(model / "large.safetensors", BLOCK_BYTES + 1)  # a documented blind spot of the module
    assert fingerprint(str(model)) in seen


def test_a_new_or_longer_file_changes_it(model: Path) -> None:
    seen = {fingerprint(str(model))}
    (model / "more.safetensors").write_bytes(b"")
    seen.add(fingerprint(str(model)))
    with (model / "large.safetensors").open("r+b") as file:
        file.truncate(LARGE + 1)
    seen.add(fingerprint(str(model)))
    assert len(seen) == 3


def test_hub_models_and_the_embedded_ones_differ() -> None:
    names = [("org/name", None), ("org/name", "v2"), ("org/other", None)]
    names += [("embedded", None), ("embedded-unaligned", None)]
    assert len({fingerprint(path, revision) for path, revision in names}) == len(names)
    assert fingerprint("org/name", "main") == fingerprint("org/name")
