"""Fingerprint that detects a changed model in less time than it takes to read all of its weights.

It covers the names and contents of configuration and tokenizer files, and of each weight file the name, the
size and `BLOCKS` evenly spaced blocks, both ends included; small files are read whole. A change between the
blocks is not detected; full training or merging an adapter changes far more. For a hub model it covers only
name and revision, because resolving the latest commit needs network access. Each trial's `model_hash` covers
all weights.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from lookahead_ray.config.model import EMBEDDED, EMBEDDED_UNALIGNED, ModelConfig
from lookahead_ray.model import embedded
from lookahead_ray.model.adapters import base_of
from lookahead_ray.model.chat_settings import read_template
from lookahead_ray.model.files import find_local, is_adapter
from lookahead_ray.shipped_files import ADAPTER

WEIGHTS = (".safetensors", ".gguf")
DESCRIBING = (
    "config.json",
    "adapter_config.json",
    "generation_config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "vocab*",
    "merges.txt",
    "chat_template*",
)
BLOCKS = 64
BLOCK_BYTES = 2**16


def fingerprint(path: str, revision: str | None = None) -> str:
    """Return the fingerprint of `path` (as `model.path`) as a SHA-256 in hexadecimal.

    That of an adapter covers its base model too.

    Raises:
        ModelError: the embedded model is not installed, or an adapter's base model is not there.
    """
    if path in (EMBEDDED, EMBEDDED_UNALIGNED):
        adapter = sorted(ADAPTER.glob("adapter_*")) if path == EMBEDDED else []
        return _of_files([embedded.gguf_path(), *adapter])
    place = Path(path).expanduser()
    if place.is_file():
        return _of_files([*_describing(place.parent), place])
    if place.is_dir():
        weights = {file for file in place.iterdir() if file.suffix in WEIGHTS}
        found = _of_files(sorted({*_describing(place), *weights}))
        if not is_adapter(place):
            return found
        base = base_of(find_local(path), ModelConfig(path=path))
        return hashlib.sha256(f"{found} on {fingerprint(base.path, base.revision)}".encode()).hexdigest()
    return hashlib.sha256(f"{path}@{revision or 'main'}".encode()).hexdigest()


def model_fingerprint(config: ModelConfig) -> str:
    """Return the fingerprint of a seed model, with its chat template if the configuration names a file.

    Raises:
        ModelError: as `fingerprint`, or the template can't be read.
    """
    found, template = fingerprint(config.path, config.revision), read_template(config)
    return found if template is None else hashlib.sha256(f"{found}\0{template}".encode()).hexdigest()


def _describing(directory: Path) -> list[Path]:
    return sorted({file for pattern in DESCRIBING for file in directory.glob(pattern) if file.is_file()})


def _of_files(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.name}\0{size}\0".encode())
        with file.open("rb") as stream:
            if file.suffix not in WEIGHTS or size <= BLOCKS * BLOCK_BYTES:
                digest.update(stream.read())
                continue
            for block in range(BLOCKS):
                stream.seek(block * (size - BLOCK_BYTES) // (BLOCKS - 1))
                digest.update(stream.read(BLOCK_BYTES))
    return digest.hexdigest()
