"""GGUF files of a model: which one of a folder is meant, and those that no model can be loaded from."""

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lookahead_ray.errors import ModelError

MAGIC = b"GGUF"
PART = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")
MOST_NAMED = 8
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
VOCABULARY = "tokenizer."
"""Prefix of the metadata of the vocabulary, which is long and comes after the model's."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a GGUF file holds, if no model can be loaded from it, and what to do instead."""

    problem: str
    listed: bool = False  # whether a folder with only such files is described by this problem


def choose_gguf(folder: Path, files: Sequence[Path]) -> Path:
    """Return the one file of `files`, all GGUF files of `folder`, that holds a whole language model.

    Raises:
        ModelError: there are several, which are listed, or none.
    """
    models = [file for file in files if _kind_by_name(file) is None]
    if len(models) > 1:
        models = [file for file in models if _kind_by_content(file) is None] or models
    if len(models) == 1:
        return models[0]
    if models:
        names = [file.name for file in models[:MOST_NAMED]]
        more = f" and {len(models) - MOST_NAMED} more" if len(models) > MOST_NAMED else ""
        raise ModelError(
            f"model.path: must name one GGUF file where a folder holds several, got {str(folder)!r} with "
            f"{', '.join(names)}{more}: write {folder / names[0]} or another of them"
        )
    kinds = [(file, kind) for file in files if (kind := _kind_by_name(file))]
    file, kind = next(((file, kind) for file, kind in kinds if kind.listed), kinds[0])
    raise ModelError(
        f"model.path: needs a GGUF file with a whole model in {str(folder)!r}, got {file.name}, "
        f"which {kind.problem}"
    )


def check_gguf(file: Path) -> None:
    """Raise if no model can be loaded from a GGUF file, by its name and its first metadata.

    Raises:
        ModelError: it is no GGUF file, one part of a split one, a projector or an adapter.
    """
    kind = _kind_by_name(file) or _kind_by_content(file)
    if kind:
        raise ModelError(
            f"model.path: must be a GGUF file with a whole model, got {str(file)!r}, which {kind.problem}"
        )


def read_metadata(file: Path) -> dict[str, object]:
    """Return the numbers and texts in the metadata of a GGUF file, up to the vocabulary.

    Raises:
        ValueError: it is no GGUF file, or it is cut off.
    """
    with file.open("rb") as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            raise ValueError("no GGUF file")
        _, _, count = struct.unpack("<IQQ", _take(stream, 20))
        found: dict[str, object] = {}
        for _ in range(count):
            name = _text(stream)
            if name.startswith(VOCABULARY):
                break
            found[name] = _value(stream, _number(stream, "I"))
    return found


def _kind_by_name(file: Path) -> _Kind | None:
    if part := PART.search(file.name):
        if int(part[2]) == 1:
            return None
        first = PART.sub(f"-00001-of-{part[2]}.gguf", file.name)
        whole = PART.sub(".gguf", file.name)
        return _Kind(
            f"is part {int(part[1])} of {int(part[2])} of a split file, which Transformers can't read: join "
            f"the parts with `llama-gguf-split --merge {first} {whole}`",
            listed=True,
        )
    if file.name.lower().startswith("mmproj") or "mmproj" in file.stem.lower().split("-"):
        return _PROJECTOR
    return None


def _kind_by_content(file: Path) -> _Kind | None:
    try:
        about = read_metadata(file)
    except (OSError, ValueError, struct.error):
        return _Kind(f"is no GGUF file ({file.stat().st_size} bytes)")
    if about.get("general.architecture") == "clip" or about.get("general.type") == "mmproj":
        return _PROJECTOR
    if about.get("general.type") not in (None, "model"):
        return _Kind(f"holds no model but is of type {about['general.type']}")
    parts = about.get("split.count")
    if isinstance(parts, int) and parts > 1:
        return _Kind(
            f"is one of {parts} parts of a split file, which Transformers can't read: join them with "
            "`llama-gguf-split --merge`",
            listed=True,
        )
    return None


_PROJECTOR = _Kind("is the projector of a vision model and no language model")


def _value(stream: IO[bytes], kind: int) -> object:
    if kind == STRING:
        return _text(stream)
    if kind != ARRAY:
        return _number(stream, SCALARS[kind])
    item, count = _number(stream, "I"), int(_number(stream, "Q"))
    if item in SCALARS:
        stream.seek(struct.calcsize(SCALARS[item]) * count, 1)
    else:
        for _ in range(count):
            _value(stream, int(item))
    return None


def _number(stream: IO[bytes], code: str) -> int:
    size = struct.calcsize(f"<{code}")
    number: int = struct.unpack(f"<{code}", _take(stream, size))[0]
    return number


def _text(stream: IO[bytes]) -> str:
    return _take(stream, _number(stream, "Q")).decode("utf-8", errors="replace")


def _take(stream: IO[bytes], size: int) -> bytes:
    if size > 2**24:
        raise ValueError("a text of this length is damage")
    read = stream.read(size)
    if len(read) < size:
        raise ValueError("the file is cut off")
    return read
