"""Weights of a GGUF file, kept in the cache."""

from pathlib import Path

import pytest
import torch

from lookahead_ray.config.model import ModelConfig
from lookahead_ray.disk_cache import CACHE_VARIABLE
from lookahead_ray.model import gguf_cache
from lookahead_ray.model.embedded import gguf_path
from lookahead_ray.model.load import load_model


@pytest.mark.slow
def test_kept_weights_are_those_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    config = ModelConfig(path=str(gguf_path()))
    # as on a rank that is not the first, where Transformers' own saving would omit the weights
    with monkeypatch.context() as patched:
        patched.setattr(torch.distributed, "is_initialized", lambda: True)
        patched.setattr(torch.distributed, "get_rank", lambda group=None: 1)
        first = load_model(config, torch.float32)
    (kept,) = tmp_path.glob("gguf-weights-*-float32")

    def refuse(*_: object) -> None:
        raise AssertionError("the file is read again")

    with monkeypatch.context() as patched:
        patched.setattr(gguf_cache, "dequantize", refuse)
        again = load_model(config, torch.float32)
    assert list(kept.glob("*.safetensors"))
    monkeypatch.setattr("lookahead_ray.model.load.unpack_weights", lambda *_: None)
    unkept = load_model(config, torch.float32)
    assert unkept.config.tie_word_embeddings == again.config.tie_word_embeddings
    for other in (again, unkept):
        assert all(
            torch.equal(mine, its) for mine, its in zip(first.parameters(), other.parameters(), strict=True)
        )


def test_without_room_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    file = tmp_path / "model.gguf"
    file.write_bytes(b"GGUF")
    monkeypatch.setattr(gguf_cache, "ROOM", 10**15)
    assert gguf_cache.unpack_weights(file, "model.path: model.gguf", torch.float32) is None
    assert not (tmp_path / "cache").exists()
