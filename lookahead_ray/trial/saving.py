"""The trained model as a directory that Transformers (or, for an adapter, peft) loads."""

import platform
from pathlib import Path
from typing import Any

from lookahead_ray.errors import TrialError
from lookahead_ray.trial.job import Saving

LAST_FILE = "tokenizer_config.json"
"""Is there once all of a model is."""


def check_directory(saving: Saving) -> None:
    """Refuse, before any time is spent, to train what can't be written.

    Raises:
        TrialError: the driver's directory is not on this rank's machine.
    """
    if not Path(saving.directory).is_dir():
        raise TrialError(
            f"--output must be on a disk that all machines share; {platform.node()} has no {saving.directory}"
        )


def merged(model: Any) -> Any:
    """`model` with its adapters in its weights; as it is, if it has none.

    In fp32 and rounded once: in bf16 small updates would be lost. Layer by layer, for the sake of memory.
    """
    if not hasattr(model, "unload"):
        return model
    from peft.tuners.tuners_utils import BaseTunerLayer

    dtype = model.dtype
    layers: list[Any] = [module for module in model.modules() if isinstance(module, BaseTunerLayer)]
    for layer in layers:
        layer.float().merge()
        layer.to(dtype)
    return model.unload()


def write_model(model: Any, tokenizer: Any, saving: Saving) -> None:
    """Weights as safetensors, configuration, tokenizer and chat template; only rank 0 calls this.

    ZeRO up to stage 2 leaves the weights whole on each rank, so there is nothing to gather.
    """
    from transformers import GgufConfig  # the command line needs this module without torch

    if isinstance(getattr(model.config, "quantization_config", None), GgufConfig):
        # The weights were made dense when they were loaded; they can't be written as quantized ones.
        del model.config.quantization_config
        model.hf_quantizer = None
    model.save_pretrained(saving.directory)
    tokenizer.save_pretrained(saving.directory)
