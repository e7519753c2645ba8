"""The registry of merges, which act on the trained weights after the method's own `finish`."""

from typing import Any

from lookahead_ray.config.merge import LayersMerge, LinearMerge
from lookahead_ray.merge import layers, linear
from lookahead_ray.merge.base import Merge

MERGES: dict[str, Merge[Any]] = {
    "linear": Merge(LinearMerge, linear.move_all),
    "layers": Merge(LayersMerge, layers.move_drifted, other_model=layers.base_model),
}
"""Every merge, by the `name` of its configuration."""
