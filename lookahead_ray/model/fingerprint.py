"""Whether a model is still the same, told in less time than it takes to read all of its weights.

Compared are the names and contents of configuration and tokenizer files, and of each weight file its name,
its size and `BLOCKS` evenly spaced blocks, both ends included; small files are read whole. A change that lies
between the blocks is not seen; training in full or merging an adapter changes far more. Of a hub model only
name and revision are compared, since what is newest there takes the network to know. Each trial's
`model_hash` is of all weights.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from lookahead_ray.config.model import EMBEDDED, EMBEDDED_UNALIGNED
from lookahead_ray.model import embedded

WEIGHTS = (".safetensors", ".gguf")
DESCRIBING = (
    "config.json",
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
    """SHA-256 (hexadecimal) over what the module says of `path`: embedded, a directory, or a hub name.

    Raises:
        ModelError: the embedded model is not installed.
    """
    if path in (EMBEDDED, EMBEDDED_UNALIGNED):
        adapter = sorted(embedded.ADAPTER.glob("adapter_*")) if path == EMBEDDED else []
        return _of_files([embedded.gguf_path(), *adapter])
    directory = Path(path).expanduser()
    if directory.is_dir():
        files = {file for pattern in DESCRIBING for file in directory.glob(pattern) if file.is_file()}
        files |= {file for file in directory.iterdir() if file.suffix in WEIGHTS}
        return _of_files(sorted(files))
    return hashlib.sha256(f"{path}@{revision or 'main'}".encode()).hexdigest()


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
