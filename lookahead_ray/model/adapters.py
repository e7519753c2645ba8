"""LoRA adapters in a directory of their own: the base model that they belong to, and merging."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lookahead_ray.config.model import ModelConfig
from lookahead_ray.errors import LookaheadRayError, ModelError
from lookahead_ray.model.files import ADAPTER_CONFIG, LocalModel, check_weights, is_local, read_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MERGE = (
    "merge it into its base model (peft: PeftModel.from_pretrained(base, folder).merge_and_unload(), then "
    "save_pretrained with the tokenizer) and set model.path to the result"
)
INITIALISATION = ("init_lora_weights", "eva_config", "corda_config", "loftq_config", "lora_ga_config")
"""Settings that decide about an adapter's weights before its training, some from those of the base model."""

WHOLE_WEIGHTS = "base_model.model."
"""Beginning of the names of base weights that peft stores whole in an adapter."""

COMPARED_TOKENS = 64
LARGEST_ROUNDING = 0.01
"""Mean difference of logits, as a share of their standard deviation, between a model with its adapter and the
merged one in fp32."""

LARGEST_ROUNDING_16 = 0.25
"""The same in 16 bits, where rounding alone makes 0.02 to 0.1."""


def base_of(adapter: LocalModel, config: ModelConfig) -> ModelConfig:
    """Return the base model of an adapter: a path, also from the adapter's folder, or a hub name.

    Raises:
        ModelError: the adapter is none of LoRA, or its base model is not given or not there.
    """
    settings = read_json(adapter.directory / ADAPTER_CONFIG)
    kind, name = settings.get("peft_type"), settings.get("base_model_name_or_path")
    subject = f"model.path: {config.path} is an adapter ({ADAPTER_CONFIG})"
    if kind != "LORA":
        raise ModelError(f"{subject} of the kind {kind}, and only LORA is merged here: {MERGE}")
    if not name or not isinstance(name, str):
        raise ModelError(f"{subject} that names no base model: {MERGE}")
    for place in (Path(name).expanduser(), adapter.directory / name):
        if place.exists():
            if place.resolve() == adapter.directory.resolve():
                raise ModelError(f"{subject} that names itself as its base model: {MERGE}")
            return config.model_copy(update={"path": str(place), "revision": None})
    if is_local(name):
        raise ModelError(f"{subject}, and its base model {name!r} is not on this machine: {MERGE}")
    return config.model_copy(update={"path": name, "revision": settings.get("revision")})


def check_adapter(model: "PreTrainedModel", adapter: LocalModel, config: ModelConfig) -> None:
    """Put an adapter's modules into its base model, which is on the meta device, and compare shapes.

    Raises:
        ModelError: the adapter does not fit the base model, or merging it would change other weights too.
    """
    from peft import LoraConfig, get_peft_model, get_peft_model_state_dict

    subject = f"model.path: the adapter {config.path}"
    stored = check_weights(adapter, subject)
    refuse_tied(model, _targets(adapter), subject)
    settings = read_json(adapter.directory / ADAPTER_CONFIG)
    fields = {*LoraConfig.__dataclass_fields__} - {*INITIALISATION}  # there are no weights here
    known = {name: settings[name] for name in fields & {*settings}}
    base = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
    try:
        adapted = get_peft_model(model, LoraConfig(**known))
        shapes = {name: tuple(weight.shape) for name, weight in get_peft_model_state_dict(adapted).items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ModelError(f"{subject} does not fit its base model: {_line(error)}: {MERGE}") from error
    missing = sorted(set(shapes) - set(stored))
    if missing:
        raise ModelError(f"{subject} does not fit its base model: it lacks {missing[0]}: {MERGE}")
    for name, shape in stored.items():
        whole = name.removeprefix(WHOLE_WEIGHTS)
        if whole != name and base.get(whole, shape) != shape:
            raise ModelError(
                f"{subject} does not fit its base model: its {whole} has the shape {list(shape)}, as after "
                f"resize_token_embeddings, and the base's {list(base[whole])}: resize the base in the same "
                "way, merge both, and give the merged model"
            )
        if shapes.get(name, shape) != shape:
            raise ModelError(
                f"{subject} does not fit its base model: {name} has the shape {list(shape)}, and "
                f"{list(shapes[name])} is needed: {MERGE}"
            )


def merge_into(model: "PreTrainedModel", adapter: LocalModel, config: ModelConfig) -> "PreTrainedModel":
    """Return the base `model` with the adapter merged into its weights; it is changed in place.

    Raises:
        ModelError: it does not fit, or the merged model computes other logits than both together.
    """
    import torch
    from peft import PeftModel

    subject = f"model.path: the adapter {config.path}"
    refuse_tied(model, _targets(adapter), subject)
    try:
        adapted: Any = PeftModel.from_pretrained(model, str(adapter.directory), autocast_adapter_dtype=False)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ModelError(f"{subject} does not fit its base model: {_line(error)}: {MERGE}") from error
    adapted.eval()
    words: Any = model.get_input_embeddings().num_embeddings
    ids = torch.randint(words, (1, COMPARED_TOKENS), generator=torch.Generator().manual_seed(0))
    ids = ids.to(model.device)
    with torch.no_grad():
        before = adapted(input_ids=ids, use_cache=False).logits.float()
        merged = merge_adapters(cast("PreTrainedModel", adapted))
        after = merged(input_ids=ids, use_cache=False).logits.float()
    largest = LARGEST_ROUNDING if model.dtype == torch.float32 else LARGEST_ROUNDING_16
    # not the largest difference: in bf16 a single logit may differ by as much as the adapter's whole effect
    if not (before - after).abs().mean() <= largest * before.std():
        raise ModelError(f"{subject} can't be merged without a change of its logits: {MERGE}")
    for name in ("peft_config", "_hf_peft_config_loaded"):
        if name in vars(merged):
            delattr(merged, name)
    merged.requires_grad_(True)  # peft has frozen the base model
    return merged


def merge_adapters(model: "PreTrainedModel") -> "PreTrainedModel":
    """Return `model` with its adapters merged into its weights; unchanged if it has none.

    Merging is in fp32 and rounds once, as bf16 would lose small updates; it is layer by layer to save memory.
    """
    if not hasattr(model, "unload"):
        return model
    from peft.tuners.tuners_utils import BaseTunerLayer

    dtype = model.dtype
    layers: list[Any] = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    for layer in layers:
        layer.float().merge()
        layer.to(dtype)
    merged: PreTrainedModel = cast(Any, model).unload()  # only a PeftModel has it
    return merged


def refuse_tied(
    model: "PreTrainedModel",
    targets: "tuple[str, ...] | str",
    subject: str,
    kind: type[LookaheadRayError] = ModelError,
) -> None:
    """Raise if an adapter on tied embeddings is asked for: merging would change both ends of the model.

    Args:
        targets: names of modules, or a regular expression for whole names, as peft reads them.
        kind: class of the error, which `targets` matching the embedding or the output layer raise.
    """
    head, embedding = (find() for find in (model.get_output_embeddings, model.get_input_embeddings))
    if head is None or embedding is None or head.weight is not embedding.weight:
        return
    for name, module in model.named_modules():
        if module in (head, embedding) and is_matched(targets, name):
            raise kind(
                f"{subject}: must not name the embedding or the output layer of a model in which they share "
                "their weights (tie_word_embeddings), because a merged adapter would change both, got "
                f"{name.rpartition('.')[2]!r}"
            )


def is_matched(targets: "tuple[str, ...] | str", name: str) -> bool:
    """Return whether the module `name` is one of `targets`, as peft reads them."""
    from peft import LoraConfig
    from peft.tuners.tuners_utils import check_target_module_exists

    if targets == "all-linear":  # which leaves the output layer out
        return False
    config = LoraConfig(target_modules=targets if isinstance(targets, str) else list(targets))
    return bool(check_target_module_exists(config, name))


def _targets(adapter: LocalModel) -> "tuple[str, ...] | str":
    found = read_json(adapter.directory / ADAPTER_CONFIG).get("target_modules") or ()
    return found if isinstance(found, str) else tuple(found)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
