"""Every configuration of an objective has its class."""

from typing import get_args

from lookahead_ray.config.objective import Objective
from lookahead_ray.objective.registry import OBJECTIVES


def test_the_registry_has_every_configured_objective() -> None:
    configured = {
        get_args(config.model_fields["name"].annotation)[0]: config for config in get_args(Objective)
    }
    assert configured.items() <= {name: each.config_class for name, each in OBJECTIVES.items()}.items()
