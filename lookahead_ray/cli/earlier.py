"""Earlier runs that a sweep learns from: `search.warm_start`."""

from collections.abc import Mapping

from lookahead_ray.config.load import Sweep
from lookahead_ray.errors import ConfigError, StoreError
from lookahead_ray.sweep.warm_start import EarlierRun, WarmStart, warm_start


def read_earlier(sweep: Sweep, hashes: Mapping[str, str]) -> WarmStart:
    """What fits of the runs that `search.warm_start` names. Raises ConfigError naming the entry."""
    from lookahead_ray import store
    from lookahead_ray.trial.measurement import versions

    runs = []
    for index, run in enumerate(sweep.search.warm_start):
        try:
            opened = store.open(run)
            runs.append(EarlierRun(run, opened.identity.hashes, opened.records()))
        except StoreError as error:
            raise ConfigError(f"{sweep.source}: search.warm_start.{index}: {error}") from error
    return warm_start(sweep, hashes, runs, versions())
