"""What every configuration model shares: frozen, strict, unknown keys refused."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

Fidelity = Literal["fixed", "paper"]
"""`paper` does as the published code does, quirks included; `fixed` mends them."""


Auto = Literal["auto"]
"""Take what suits the hardware; decided once, when a sweep or a command starts."""


class Config(BaseModel):
    """Base of all configuration models.

    Strict: the text "3" is no integer and `yes` is no number. Infinite and missing numbers are refused.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
