"""What is submitted and to which cluster, and the rules that hold before anything is uploaded."""

import os
import re
import secrets
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from lookahead_ray.entrypoints.submit.address import VARIABLE
from lookahead_ray.errors import ConfigError
from lookahead_ray.filesystem import is_url


@dataclass(frozen=True)
class Where:
    """Which cluster, as the user said it; `options` say it again."""

    cluster: str | None = None
    address: str | None = None

    @classmethod
    def told(cls, cluster: str | None, address: str | None) -> Self:
        """What is given; without either, the address that `VARIABLE` holds."""
        return cls(cluster, address or (None if cluster else os.environ.get(VARIABLE)))

    @property
    def options(self) -> list[str]:
        """Words of a command line."""
        given = (("--cluster", self.cluster), ("--address", self.address))
        return [word for name, value in given if value for word in (name, value)]


@dataclass(frozen=True)
class Submission:
    """What is submitted; `space` is as the user called it."""

    space: str
    run: str
    resume: bool = False
    overrides: Sequence[str] = ()
    env: Sequence[str] = ()
    python: str = "python"

    def sweep(self, space: str) -> list[str]:
        """The command on the head, where the space file is `space`."""
        words = ["sweep", space, "--run", self.run, *(["--resume"] if self.resume else [])]
        words += [word for value in self.overrides for word in ("--set", value)]
        return [self.python, "-m", "lookahead_ray.cli.main", *words]

    def again(self, where: Where) -> str:
        """The command that goes on with it."""
        words = ["lookahead-ray", "submit", self.space, *where.options, "--run", self.run, "--resume"]
        words += [word for value in self.overrides for word in ("--set", value)]
        return shlex.join([*words, *(word for name in self.env for word in ("--env", name))])


def check_run(run: str, name: str) -> None:
    """`ConfigError` unless all machines of a cluster could mean the same by it."""
    if run.startswith("memory:") or (not is_url(run) and not run.startswith("/")):
        raise ConfigError(
            f"--run: must be a URL such as s3://bucket/{name}, or the absolute path of a directory "
            f"that all machines of the cluster share, got {run!r}"
        )


def environment(names: Sequence[str]) -> dict[str, str]:
    """The variables' values. `ConfigError` for one that isn't set, or is no name; no value is told."""
    for name in names:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ConfigError("--env: must be the name of an environment variable, without a value")
        if name not in os.environ:
            raise ConfigError(f"--env {name}: is not set here")
    return {name: os.environ[name] for name in names}


def job_name(sweep: str) -> str:
    """A submission id that nobody else has, and that says which sweep it is and when it began."""
    slug = re.sub(r"[^a-z0-9]+", "-", sweep.lower()).strip("-")[:40] or "sweep"
    return f"{slug}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def command(*words: str) -> str:
    """A command line of this program."""
    return shlex.join(["lookahead-ray", *words])
