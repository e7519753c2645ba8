"""Dense weights from a GGUF file, and their directory."""

from pathlib import Path
from typing import TYPE_CHECKING

from lookahead_ray.model.pretrained import load_pretrained

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def dequantize(file: Path, subject: str, dtype: "torch.dtype") -> "PreTrainedModel":
    """Return the causal language model of a GGUF file with dense weights in `dtype`.

    Raises:
        ModelError: Transformers can't read the file.
    """
    from transformers import AutoModelForCausalLM, GgufConfig

    model: PreTrainedModel = load_pretrained(
        AutoModelForCausalLM,
        file.parent,
        subject,
        gguf_file=file.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=dtype,
    )
    # The weights are dense now; with this entry they would be loaded as packed ones.
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    return model


def save_dense(model: "PreTrainedModel", target: Path) -> None:
    """Save weights, configuration and generation defaults; of tied weights the first.

    `save_pretrained` is not used: inside a process group it omits the weights on all ranks but the first, and
    the first process of each machine saves.
    """
    from safetensors.torch import save_file

    state = model.state_dict()
    first = {weight.data_ptr(): name for name, weight in reversed(state.items())}
    weights = {name: state[name].contiguous() for name in first.values()}
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    model.config.dtype = str(model.dtype).removeprefix("torch.")
    model.config.save_pretrained(target)
    model.generation_config.save_pretrained(target)
