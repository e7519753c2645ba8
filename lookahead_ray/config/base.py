"""Base class of the configuration models: frozen, strict, without unknown keys."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Fidelity = Literal["fixed", "paper"]
"""`paper` reproduces the published code with its quirks; `fixed` corrects the quirks."""


Auto = Literal["auto"]
"""Choose the value that suits the hardware, once, when a sweep or a command starts."""


class Config(BaseModel):
    """Base class of all configuration models.

    Validation is strict: the string "3" is not an integer and `yes` is not a number. Infinity and NaN are
    refused.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
