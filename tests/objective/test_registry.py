"""Every configuration of an objective has its class, and the reverse."""

from typing import get_args

from lookahead_ray.config.objective import Objective
from lookahead_ray.objective.registry import OBJECTIVES


def test_registry_and_configuration_have_the_same_objectives() -> None:
    configured = {
        get_args(config.model_fields["name"].annotation)[0]: config for config in get_args(Objective)
    }
    assert {name: variant.config_class for name, variant in OBJECTIVES.items()} == configured
