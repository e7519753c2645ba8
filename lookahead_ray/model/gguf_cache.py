"""Configuration and tokenizer of a GGUF file, kept in the cache: reading its vocabulary takes seconds."""

from pathlib import Path

from lookahead_ray.disk_cache import cache_dir
from lookahead_ray.model.fingerprint import fingerprint
from lookahead_ray.model.make_once import make_once
from lookahead_ray.model.pretrained import load_pretrained

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
