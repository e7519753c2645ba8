"""A submission, its cluster, and the rules that are checked before anything is uploaded."""

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
    """The cluster as given by the user; `options` reproduces the command-line options."""

    cluster: str | None = None
    address: str | None = None

    @classmethod
    def from_options(cls, cluster: str | None, address: str | None) -> Self:
        """Return the given cluster; if neither argument is given, the address in `VARIABLE` is used."""
        return cls(cluster, address or (None if cluster else os.environ.get(VARIABLE)))

    @property
    def options(self) -> list[str]:
        """Return the words of the command-line options."""
        given = (("--cluster", self.cluster), ("--address", self.address))
        return [word for name, value in given if value for word in (name, value)]


@dataclass(frozen=True)
class Submission:
    """A sweep to submit; `space` is as given by the user."""

    space: str
    run: str
    resume: bool = False
    overrides: Sequence[str] = ()
    env: Sequence[str] = ()
    python: str = "python"
    also: Sequence[str] = ()  # files to upload although they look like secrets
    dry_run: bool = False

    def sweep_command(self, space: str) -> list[str]:
        """Return the command for the head, on which the space file is `space`."""
        words = ["sweep", space, "--run", self.run, *(["--resume"] if self.resume else [])]
        words += [word for value in self.overrides for word in ("--set", value)]
        return [self.python, "-m", "lookahead_ray.cli.main", *words]

    def resume_command(self, where: Where) -> str:
        """Return the command that resumes the sweep."""
        words = ["lookahead-ray", "submit", self.space, *where.options, "--run", self.run, "--resume"]
        words += [word for value in self.overrides for word in ("--set", value)]
        words += [word for path in self.also for word in ("--also", path)]
        return shlex.join([*words, *(word for name in self.env for word in ("--env", name))])


def check_run(run: str, name: str) -> None:
    """Raise `ConfigError` unless `run` can be the same place for all machines of a cluster."""
    if run.startswith("memory:") or (not is_url(run) and not run.startswith("/")):
        raise ConfigError(
            f"--run: must be a URL such as s3://bucket/{name}, or the absolute path of a directory "
            f"that all machines of the cluster share, got {run!r}"
        )


def environment(names: Sequence[str]) -> dict[str, str]:
    """Return the values of the environment variables.

    Raises `ConfigError` if one isn't set or isn't a name; the message contains no value.
    """
    for name in names:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ConfigError("--env: must be the name of an environment variable, without a value")
        if name not in os.environ:
            raise ConfigError(f"--env {name}: is not set here")
    return {name: os.environ[name] for name in names}


def job_name(sweep: str) -> str:
    """Return a unique submission id that contains the name of the sweep and the time."""
    slug = re.sub(r"[^a-z0-9]+", "-", sweep.lower()).strip("-")[:40] or "sweep"
    return f"{slug}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def command(*words: str) -> str:
    """Return a command line of this program."""
    return shlex.join(["lookahead-ray", *words])
