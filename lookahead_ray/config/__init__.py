"""Configuration: frozen models, YAML in, resolved JSON and a hash out. Imports neither torch nor ray."""

from lookahead_ray.config.trial import TrialConfig

__all__ = ["TrialConfig"]
