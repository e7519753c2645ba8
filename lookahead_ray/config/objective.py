"""What a search optimises."""

from typing import Literal

from pydantic import Field

from lookahead_ray.config.base import Config


class WeightedObjective(Config):
    """Maximise w · safety + (1 − w) · utility, each relative to the references (see trial/objective.py)."""

    name: Literal["weighted"] = "weighted"

    safety_weight: float = Field(0.5, ge=0, le=1)
    """w: 1 cares for safety alone, 0 for utility alone."""
