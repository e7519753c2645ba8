"""What must stay refused, and what must not be refused."""

from typing import Literal

from pydantic import Field

from lookahead_ray.config.base import Config


class ProbeSuite(Config):
    """The project's own probe: harmful requests over ten policy areas, and benign look-alikes."""

    name: Literal["probe"] = "probe"

    harmful_prompts: int | None = Field(None, ge=1)
    """How many harmful requests to use, spread evenly over the areas; null uses all."""

    benign_prompts: int | None = Field(None, ge=1)
    """How many benign look-alikes to use, spread evenly over their kinds; null uses all."""


SafetyConfig = ProbeSuite
