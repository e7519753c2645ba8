"""Functions that the commands for judges share."""

from collections.abc import Iterator, Sequence

from lookahead_ray.config.judge import JudgeConfig
from lookahead_ray.config.load import validate_tree
from lookahead_ray.errors import ConfigError
from lookahead_ray.evaluate.judges.base import Checkable, Judge, ReportsFailures
from lookahead_ray.evaluate.judges.registry import BUILDERS


def judge_config(name: str, overrides: Sequence[str]) -> JudgeConfig:
    """Return the judge `name` with its defaults and the `field=value` overrides. Raises ConfigError."""
    if name not in BUILDERS:
        raise ConfigError(f"--judge must be one of {', '.join(BUILDERS)}, got {name!r}")
    config: JudgeConfig = validate_tree(BUILDERS[name].config_class, overrides)
    if config.name != name:
        raise ConfigError(f"--set name: must be the judge given with --judge, {name}, got {config.name!r}")
    return config


def trouble_lines(judge: Judge) -> Iterator[str]:
    """Yield the reasons why answers have no verdict, one line per reason."""
    if isinstance(judge, ReportsFailures):
        for reason, count in sorted(judge.troubles().items()):
            retried = "; the same command retries the missing ones" if isinstance(judge, Checkable) else ""
            yield f"{count} answers: {reason}{retried}"
