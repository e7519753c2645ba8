"""Reading of DeepSpeed's checkpoint files without running code that they could contain.

DeepSpeed's own loading unpickles a file, and a pickle can run any program. Here a file may contain tensors,
plain values and three types of DeepSpeed. Any other file is refused before PyTorch loads it.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch


def _types() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """Return the types of DeepSpeed in its files: records without code that runs when they are restored."""
    from deepspeed.runtime.fp16.loss_scaler import LossScaler
    from deepspeed.runtime.zero.config import ZeroStageEnum
    from deepspeed.utils.tensor_fragment import fragment_address

    return [LossScaler, ZeroStageEnum, fragment_address]


def find_unsafe_file(paths: Iterable[Path]) -> str | None:
    """Return why one of the files is refused, in one line; None if all can be read safely."""
    with torch.serialization.safe_globals(_types()):
        for path in paths:
            try:
                unsafe = torch.serialization.get_unsafe_globals_in_checkpoint(path)
            except Exception as error:  # not an archive of PyTorch's, or a damaged one
                return f"{path.name} can't be read: {type(error).__name__}"
            if unsafe:
                return f"{path.name} contains {sorted(unsafe)[0]}, which could run code"
    return None


def read(path: str | Path, map_location: Any = None) -> Any:
    """Return the content of a file, like DeepSpeed's checkpoint engine.

    Raises `pickle.UnpicklingError` if it contains more than tensors, plain values and DeepSpeed's types.
    """
    with torch.serialization.safe_globals(_types()):
        return torch.load(path, map_location=map_location, weights_only=True)
