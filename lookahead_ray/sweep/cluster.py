"""The Ray cluster that a sweep runs on, and how many trials fit on it at once."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lookahead_ray import chatter
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.errors import ConfigError
from lookahead_ray.sweep.growth import description, grown

QUIET = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the store keeps results
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C reaches the driver as KeyboardInterrupt
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # the tables are the truth; Tune's own snapshots are never read
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TOKENIZERS_PARALLELISM": "false",
}


@contextmanager
def cluster(log: Path) -> Iterator[None]:
    """Connect to `$RAY_ADDRESS` or start Ray on this machine for the duration.

    Messages of Ray and the libraries go to `log`, which also names the folder with what the workers print.
    """
    os.environ.update({name: os.environ.get(name, value) for name, value in QUIET.items()})
    import ray

    with chatter.into(log):
        context = ray.init(
            address=os.environ.get("RAY_ADDRESS"),
            include_dashboard=False if "RAY_ADDRESS" not in os.environ else None,
            log_to_driver=False,
            configure_logging=False,
        )
        session = getattr(context, "address_info", {}).get("session_dir", "")
        logging.getLogger(__name__).info("what workers print is in %s", Path(session, "logs"))
        try:
            yield
        finally:
            ray.shutdown()


def check_fits(config: TrialConfig, source: str) -> None:
    """Refuse a trial that this machine can never run, before Ray starts; `concurrency` checks clusters.

    Raises:
        ConfigError: more cores are asked for than the machine has.
    """
    cores = os.cpu_count() or 1
    wanted = config.workers * config.cpus_per_worker
    if "RAY_ADDRESS" not in os.environ and wanted > cores:
        raise ConfigError(
            f"{source}: workers: {config.workers} × cpus_per_worker {config.cpus_per_worker:g} must fit into "
            f"this machine's {cores} cores, got {wanted:g}"
        )


def concurrency(config: TrialConfig, limit: int | None) -> int:
    """How many trials the connected cluster holds at once, grown as far as it may, at most `limit`.

    Raises:
        ConfigError: not even one trial fits.
    """
    import ray

    now = ray.cluster_resources()  # type: ignore[no-untyped-call]  # Ray lacks its annotation
    total = grown(now, description() if "RAY_ADDRESS" in os.environ else {})
    wanted = {
        "CPU": config.workers * config.cpus_per_worker,
        "GPU": config.workers * config.gpus_per_worker,
    }
    fits = min(int(total.get(name, 0) // amount) for name, amount in wanted.items() if amount)
    if fits < 1:
        needs = ", ".join(f"{amount:g} {name}" for name, amount in wanted.items() if amount)
        has = ", ".join(f"{total.get(name, 0):g} {name}" for name, amount in wanted.items() if amount)
        raise ConfigError(f"workers: one trial needs {needs}; the cluster has {has}")
    return min(fits, limit or fits)
