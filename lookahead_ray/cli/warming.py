"""The runs that `search.warm_start` names, read for the sampler to learn from."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lookahead_ray.config.load import Sweep
from lookahead_ray.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from lookahead_ray.sweep.warm_start import WarmStart


def read_warm_start(sweep: Sweep, hashes: Mapping[str, str], sweep_id: str = "") -> "WarmStart":
    """What of these runs fits into the space.

    Args:
        hashes: of what the sweep's configuration points to, as the preflight found it.
        sweep_id: of the sweep itself, which can't learn from its own run.

    Raises:
        ConfigError: a run can't be read, is this sweep's own, or holds nothing that fits.
    """
    from lookahead_ray import store
    from lookahead_ray.sweep.warm_start import EarlierRun, warm_start

    runs = []
    for index, name in enumerate(sweep.search.warm_start):
        field = f"{sweep.source}: search.warm_start.{index}"
        try:
            opened = store.open(name)
            if opened.identity.sweep_id == sweep_id:
                raise ConfigError(f"{field}: must be the run of another sweep, got {name}")
            runs.append(EarlierRun(name, opened.identity.hashes, opened.records()))
        except StoreError as error:
            raise ConfigError(f"{field}: must be a run that can be read, got {error}") from error
    return warm_start(sweep, hashes, runs)
