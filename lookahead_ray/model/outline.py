"""A model without its weights: what can be checked before a model is loaded.

The model is built on PyTorch's meta device from its configuration; of the weight files only the headers are
read. It has all modules and shapes but no numbers, so it takes a second and no memory.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lookahead_ray.config.model import EMBEDDED, EMBEDDED_UNALIGNED, ModelConfig
from lookahead_ray.errors import HubModelError, ModelError
from lookahead_ray.model.adapters import MERGE, base_of, check_adapter
from lookahead_ray.model.files import LocalModel, check_weights, is_local
from lookahead_ray.model.fingerprint import model_fingerprint
from lookahead_ray.model.load import context_length, find_source, load_tokenizer, read_architecture

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MOST_KEPT = 8
_kept: "dict[tuple[str, str], ModelOutline]" = {}


@dataclass(frozen=True)
class ModelOutline:
    """A model on the meta device, and its tokenizer; both are shared and must not be modified."""

    path: str
    model: "PreTrainedModel"
    tokenizer: "PreTrainedTokenizerBase"

    @property
    def embedding_rows(self) -> int:
        """Return the number of tokens that the model has."""
        weight: torch.Tensor = self.model.get_input_embeddings().weight  # type: ignore[assignment]
        return len(weight)

    @property
    def context(self) -> int | None:
        """Return the maximum number of tokens of prompt and answer together; None if it is not given."""
        return context_length(self.model)

    @property
    def parameters(self) -> int:
        """Return the number of weights, shared ones counted once."""
        return sum(weight.numel() for weight in self.model.parameters())


def outline_model(config: ModelConfig) -> ModelOutline:
    """Return the model of `config` without weights; the last results are kept while its files are the same.

    Raises:
        HubModelError: a model of the hub can't be reached.
        ModelError: the model can't be loaded or trained here.
    """
    key = config.model_dump_json(), model_fingerprint(config)
    if key not in _kept:
        try:
            found = ModelOutline(config.path, build_on_meta(config), load_tokenizer(config, convert=False))
        except ModelError as error:
            if is_local(config.path) or config.path in (EMBEDDED, EMBEDDED_UNALIGNED):
                raise
            raise HubModelError(str(error)) from error
        if len(_kept) >= MOST_KEPT:
            del _kept[next(iter(_kept))]
        _kept[key] = found
    return _kept[key]


def build_on_meta(config: ModelConfig) -> "PreTrainedModel":
    """Return a new model on the meta device; one with an adapter is the base model, which the adapter fits.

    Raises:
        ModelError: its configuration or its files can't be used.
    """
    from lookahead_ray.model.meta_weights import build_without_weights  # imports torch

    source, subject = find_source(config, convert=False), f"model.path: {config.path}"
    if source.local and source.local.is_adapter:
        base = base_of(source.local, config)
        try:
            model = build_on_meta(base)
        except ModelError as error:
            reason = str(error).removeprefix("model.path: ").partition(" Check your internet")[0]
            raise ModelError(
                f"{subject} is a LoRA adapter whose base model can't be used ({reason}): {MERGE}"
            ) from error
        check_adapter(build_on_meta(base), source.local, config)
        return model
    architecture = read_architecture(config, source)
    try:
        model = build_without_weights(architecture)
    except (ValueError, TypeError, AttributeError, ImportError, ZeroDivisionError) as error:
        line = " ".join(str(error).split())[:300]
        raise ModelError(f"{subject} can't be built by Transformers: {line}") from error
    if source.local and not source.local.gguf_file:
        _compare_weights(model, source.local, subject)
    return model.eval()  # type: ignore[no-untyped-call,no-any-return]  # Transformers lacks its annotation


def _compare_weights(model: "PreTrainedModel", local: LocalModel, subject: str) -> None:
    """Raise if the weight files and `config.json` describe different models.

    Transformers renames the weights of some architectures, so names are compared only where all are known.
    """
    stored = check_weights(local, subject)
    wanted = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
    for name in sorted({*stored} & {*wanted}):
        if name.endswith("embed_tokens.weight") and stored[name] != wanted[name]:
            raise ModelError(
                f"{subject} can't be loaded: {name} has the shape {list(stored[name])}, and its config.json "
                f"says {list(wanted[name])}"
            )
    tied = {*getattr(model, "all_tied_weights_keys", ())}
    if stored and {*stored} <= {*wanted} and (missing := sorted({*wanted} - {*stored} - tied)):
        raise ModelError(
            f"{subject} can't be loaded: its weight files lack {len(missing)} of the {len(wanted)} tensors "
            f"that its config.json describes, such as {missing[0]}"
        )
