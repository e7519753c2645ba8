"""Whose trials a run directory holds."""

import json
import uuid
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from lookahead_ray.errors import StoreError
from lookahead_ray.store.files import Files, to_json
from lookahead_ray.store.schemas import SCHEMA_VERSION
from lookahead_ray.trial.record import utc_now

FILE = "sweep.json"


@dataclass(frozen=True)
class SweepIdentity:
    """What `<run>/sweep.json` holds; `config` and `hashes` decide whether a sweep may go on there."""

    sweep_id: str
    name: str
    config_hash: str  # of `config`, paths included
    config: dict[str, Any]  # everything that decides what a trial is, as JSON values
    created_at: str  # ISO 8601, UTC
    hashes: dict[str, str] = field(default_factory=dict)  # of what `config` points to; see `identity_diff`
    schema_version: int = SCHEMA_VERSION
    precision: str | None = None  # that `auto` became when the sweep began; None in runs from before `auto`

    @classmethod
    def new(
        cls,
        name: str,
        config_hash: str,
        config: dict[str, Any],
        hashes: dict[str, str] | None = None,
        precision: str | None = None,
    ) -> Self:
        """Make the identity of a sweep that begins now, with an id of its own."""
        return cls(
            uuid.uuid4().hex[:12], name, config_hash, config, utc_now(), hashes or {}, precision=precision
        )


def read_identity(files: Files, versions: Collection[int] = (SCHEMA_VERSION,)) -> SweepIdentity | None:
    """The run's identity, None if the directory has none.

    `StoreError` if it is malformed or of another schema version than `versions`.
    """
    try:
        content = files.read(FILE)
    except FileNotFoundError:
        return None
    where = f"{files.run}/{FILE}"
    try:
        fields = json.loads(content)
        check_version(fields["schema_version"], where, versions)
        return SweepIdentity(**fields)
    except (ValueError, TypeError, KeyError) as error:
        raise StoreError(f"{where}: must be a sweep's identity as JSON, got {content[:80]!r}") from error


def write_identity(files: Files, identity: SweepIdentity) -> None:
    """Write `<run>/sweep.json`; `StoreError` if its configuration holds what JSON cannot say."""
    files.write(FILE, to_json(asdict(identity), f"{files.run}/{FILE}", indent=2).encode())


def check_version(version: object, where: str, versions: Collection[int] = (SCHEMA_VERSION,)) -> None:
    """`StoreError` unless `version` of the tables is one of `versions`."""
    if version not in versions:
        raise StoreError(
            f"{where}: schema_version must be {' or '.join(map(str, versions))}, got {version!r}; "
            "read the run with the lookahead_ray that wrote it"
        )
