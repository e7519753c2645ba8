"""Configuration: frozen pydantic models, read from YAML, written as resolved JSON with a hash.

Imports neither torch nor ray.
"""

from lookahead_ray.config.trial import TrialConfig

__all__ = ["TrialConfig"]
