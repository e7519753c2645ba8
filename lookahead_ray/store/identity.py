"""The identity of the sweep that a run directory belongs to."""

import json
import uuid
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from lookahead_ray.errors import StoreError
from lookahead_ray.store.files import Files, to_json
from lookahead_ray.store.schemas import SCHEMA_VERSION
from lookahead_ray.trial.record import utc_now

IDENTITY_FILE = "sweep.json"


@dataclass(frozen=True)
class SweepIdentity:
    """The content of `<run>/sweep.json`; `config` and `hashes` decide whether a sweep may resume there."""

    sweep_id: str
    name: str
    config_hash: str  # of `config`, paths included
    config: dict[str, Any]  # all settings that affect trials, as JSON values
    created_at: str  # ISO 8601, UTC
    hashes: dict[str, str] = field(default_factory=dict)  # of contents at paths; see `identity_diff`
    schema_version: int = SCHEMA_VERSION
    precision: str | None = None  # resolved from `auto` at the start; None in runs from before `auto`
    chat_date: str | None = None  # written by chat templates as today's; None if none writes it
    versions: dict[str, str] = field(default_factory=dict)  # of packages and judges; empty in older runs

    @classmethod
    def new(
        cls,
        name: str,
        config_hash: str,
        config: dict[str, Any],
        hashes: dict[str, str] | None = None,
        precision: str | None = None,
        chat_date: str | None = None,
        versions: dict[str, str] | None = None,
    ) -> Self:
        """Return the identity of a sweep that starts now, with a new id."""
        return cls(
            uuid.uuid4().hex[:12],
            name,
            config_hash,
            config,
            utc_now(),
            hashes or {},
            precision=precision,
            chat_date=chat_date,
            versions=versions or {},
        )


def read_identity(files: Files, versions: Collection[int] = (SCHEMA_VERSION,)) -> SweepIdentity | None:
    """Return the run's identity; None if the directory has none.

    Raises `StoreError` if it is malformed or its schema version is not in `versions`.
    """
    try:
        content = files.read(IDENTITY_FILE)
    except FileNotFoundError:
        return None
    where = f"{files.run}/{IDENTITY_FILE}"
    try:
        fields = json.loads(content)
        check_version(fields["schema_version"], where, versions)
        return SweepIdentity(**fields)
    except (ValueError, TypeError, KeyError) as error:
        raise StoreError(f"{where}: must be a sweep's identity as JSON, got {content[:80]!r}") from error


def create_identity(files: Files, identity: SweepIdentity) -> SweepIdentity:
    """Create `<run>/sweep.json`; return its identity, which is another one if a driver was faster.

    Raises `StoreError` if JSON cannot represent the configuration.
    """
    content = to_json(asdict(identity), f"{files.run}/{IDENTITY_FILE}", indent=2).encode()
    return identity if files.create(IDENTITY_FILE, content) else read_identity(files) or identity


def check_version(version: object, where: str, versions: Collection[int] = (SCHEMA_VERSION,)) -> None:
    """Raise `StoreError` unless the tables' `version` is one of `versions`."""
    if version not in versions:
        raise StoreError(
            f"{where}: schema_version must be {' or '.join(map(str, versions))}, got {version!r}; "
            "read the run with the lookahead_ray that wrote it"
        )
