"""Trials that run out of memory: one message that names the settings to change, and a clean process."""

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import ModelError, TrialError
from lookahead_ray.model.outline import outline_model
from lookahead_ray.train.engine import forget_models
from lookahead_ray.train.memory import describe_savings
from lookahead_ray.trial.infrastructure import is_of_infrastructure
from lookahead_ray.trial.progress import Phase

Value = TypeVar("Value")

OF_TRAINING: tuple[Phase, ...] = ("building", "training", "saving")
"""Phases whose memory the training decides; in all others it is that of generation and measurements."""

OF_THE_CPU = "DefaultCPUAllocator"  # in the message of torch's error, which has no class of its own there
LONGEST = 200  # characters of torch's message


def run_in_memory(run: Callable[[], Value], config: TrialConfig, phase: Callable[[], Phase]) -> Value:
    """Return `run()`.

    Args:
        phase: returns what the trial was doing when it failed.

    Raises:
        TrialError: it ran out of memory; everything that it held has been freed. Where other processes hold
            the device's memory, torch's error is raised as it is.
    """
    try:
        return run()
    except (torch.OutOfMemoryError, RuntimeError) as error:
        if not is_out_of_memory(error) or is_of_infrastructure(error):
            raise
        message = describe_out_of_memory(error, config, phase())
    # the frames that the error refers to, and with them the model, are gone only here
    forget_models()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    raise TrialError(message)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether torch could not allocate memory, on a GPU or on the CPU."""
    return isinstance(error, torch.OutOfMemoryError) or OF_THE_CPU in str(error)


def describe_out_of_memory(error: BaseException, config: TrialConfig, phase: Phase) -> str:
    """Return in one line what failed and which settings need less memory, with their estimated effect."""
    trains = phase in OF_TRAINING
    try:
        savings = describe_savings(config, outline_model(config.model), trains)
    except ModelError:  # its files are no longer there
        savings = "training.micro_batch_size" if trains else "evaluation.batch_size"
    line = " ".join(str(error).split()).partition(" of which ")[0].partition(" You can ")[0][:LONGEST]
    return f"out of memory in {'training' if trains else 'evaluation'}: set {savings}; {line}"
