"""The trained model as a directory that Transformers (or, for an adapter, peft) loads."""

import os
import platform
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lookahead_ray.errors import TrialError
from lookahead_ray.filesystem import sync
from lookahead_ray.model.chat_settings import variables_in_template
from lookahead_ray.trial.job import Saving

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LAST_FILE = "tokenizer_config.json"
"""Exists only once the whole model is written and synced to disk: `write_model` writes it last."""


def check_directory(saving: Saving) -> None:
    """Refuse, before any time is spent, to train a model that can't be written.

    Raises:
        TrialError: the driver's directory is not on this rank's machine.
    """
    if not Path(saving.directory).is_dir():
        raise TrialError(
            f"--output must be on a disk that all machines share; {platform.node()} has no {saving.directory}"
        )


def write_model(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", saving: Saving) -> None:
    """Write weights as safetensors, configuration, tokenizer and chat template; only rank 0 calls this.

    The template is `model.chat_template`, if given, and holds `model.chat_template_kwargs` as defaults.

    The files are written to a temporary directory, synced, and moved to `saving.directory`, `LAST_FILE` last:
    Transformers writes it before `tokenizer.json`.

    ZeRO up to stage 2 keeps complete weights on each rank, so there is nothing to gather.
    """
    from transformers import GgufConfig  # the command line needs this module without torch

    if isinstance(getattr(model.config, "quantization_config", None), GgufConfig):
        # The weights were dequantized on loading; they can't be written as quantized ones.
        del model.config.quantization_config
        model.hf_quantizer = None  # type: ignore[assignment]
    target = Path(saving.directory)
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=target, ignore_cleanup_errors=True) as scratch:
        model.save_pretrained(scratch)
        with variables_in_template(tokenizer):
            tokenizer.save_pretrained(scratch)
        for folder, _, files in os.walk(scratch):
            for name in files:
                sync(Path(folder, name))
            sync(Path(folder))
        for name in sorted(os.listdir(scratch), key=lambda name: name == LAST_FILE):
            if name == LAST_FILE:
                sync(target)  # a crash must not keep this rename and lose earlier ones
            os.replace(Path(scratch, name), target / name)
    sync(target)
