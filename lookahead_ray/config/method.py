"""What the loss or the data does besides the preview."""

from typing import Literal

from lookahead_ray.config.base import Config


class VanillaMethod(Config):
    """Plain cross-entropy on the answer."""

    name: Literal["vanilla"] = "vanilla"


MethodConfig = VanillaMethod
