"""What a GGUF file holds, kept in the cache: reading its vocabulary takes seconds, its weights a minute."""

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from lookahead_ray.disk_cache import cache_dir
from lookahead_ray.model.dense import dequantize, save_dense
from lookahead_ray.model.fingerprint import fingerprint
from lookahead_ray.model.make_once import make_once
from lookahead_ray.model.pretrained import load_pretrained

if TYPE_CHECKING:
    import torch

ROOM = 30
"""Free bytes that are needed for each byte of the file: 4 bits of a weight become 32, some must remain."""

FORMAT = 1  # incremented when the kept files change, so that old caches are not used


def unpack_gguf(file: Path, subject: str) -> Path:
    """Return a directory with `config.json` and the tokenizer of a GGUF file, made on first use.

    Raises:
        ModelError: Transformers can't read them.
    """
    return make_once(
        cache_dir() / f"gguf-v{FORMAT}-{fingerprint(str(file))[:24]}",
        lambda target: _unpack(file, target, subject),
    )


def _unpack(file: Path, target: Path, subject: str) -> None:
    from transformers import AutoConfig, AutoTokenizer

    config = load_pretrained(AutoConfig, file.parent, subject, gguf_file=file.name)
    if hasattr(config, "quantization_config"):  # its weights are dequantized on loading
        del config.quantization_config
    config.save_pretrained(target)
    load_pretrained(AutoTokenizer, file.parent, subject, gguf_file=file.name).save_pretrained(target)


def unpack_weights(file: Path, subject: str, dtype: "torch.dtype") -> Path | None:
    """Return a directory with `config.json` and the weights of a GGUF file in `dtype`, made on first use.

    Every trial and rank then reads only what it needs, and ranks share the memory of what they read. None if
    the cache's disk has too little room.

    Raises:
        ModelError: Transformers can't read the file.
    """
    name = f"gguf-weights-v{FORMAT}-{fingerprint(str(file))[:24]}-{str(dtype).removeprefix('torch.')}"
    target = cache_dir() / name
    if not target.is_dir() and shutil.disk_usage(_existing(target)).free < ROOM * file.stat().st_size:
        logging.getLogger(__name__).info("%s: no room in %s to keep its weights", file, cache_dir())
        return None
    return make_once(target, lambda partial: save_dense(dequantize(file, subject, dtype), partial))


def _existing(path: Path) -> Path:
    return next(parent for parent in (path, *path.parents) if parent.exists())
