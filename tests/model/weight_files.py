"""Contents of weight files, for tests that read no more than their headers."""

import struct
from collections.abc import Mapping
from pathlib import Path

NO_TENSORS = struct.pack("<Q", 2) + b"{}"
"""A safetensors file without tensors."""

NO_METADATA = b"GGUF" + struct.pack("<IQQ", 3, 0, 0)
"""A GGUF file without metadata."""


def write_gguf(file: Path, metadata: Mapping[str, str | int | list[int]]) -> Path:
    """Write a GGUF file with these metadata and no tensors."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value.encode())) + value.encode()

    def pair(name: str, value: str | int | list[int]) -> bytes:
        if isinstance(value, str):
            return text(name) + struct.pack("<I", 8) + text(value)
        if isinstance(value, int):
            return text(name) + struct.pack("<II", 4, value)
        numbers = struct.pack(f"<IQ{len(value)}I", 4, len(value), *value)
        return text(name) + struct.pack("<I", 9) + numbers

    pairs = b"".join(pair(name, value) for name, value in metadata.items())
    file.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(metadata)) + pairs)
    return file
