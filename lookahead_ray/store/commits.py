"""The commit of a trial: a small JSON file, written last, that makes the trial visible."""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from lookahead_ray.errors import StoreError
from lookahead_ray.store.files import Files
from lookahead_ray.store.identity import check_version
from lookahead_ray.store.schemas import SCHEMA_VERSION, TABLES, TableName

FOLDER = "commits"
JUDGED = "judged"
"""Folder of the commits that replace a trial's first one: see `Store.complete`."""
TRIAL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


@dataclass(frozen=True, slots=True)
class TableFile:
    """One committed Parquet file."""

    path: str  # relative to the run
    bytes: int
    rows: int


@dataclass(frozen=True, slots=True)
class Commit:
    """The content of `<run>/commits/<trial_id>.json`, and of `<run>/judged/<trial_id>.json`."""

    trial_id: str
    sequence: int  # increases in the order of the run's commits, from 1
    files: dict[TableName, TableFile]
    schema_version: int = SCHEMA_VERSION


def table_path(table: TableName, trial_id: str, suffix: str = "") -> str:
    """Return the path of a trial's rows of `table`, relative to the run; `suffix` tells attempts apart."""
    return f"tables/{table}/{trial_id}{suffix}.parquet"


def check_trial_id(trial_id: str) -> None:
    """Raise `StoreError` unless `trial_id` is a valid file name on every file system."""
    if not TRIAL_ID.fullmatch(trial_id):
        raise StoreError(
            "trial_id: must be 1 to 200 letters, digits, '.', '_' or '-', the first a letter or digit, "
            f"got {trial_id!r}"
        )


def committed_ids(files: Files) -> frozenset[str]:
    """Return the ids of the trials visible to readers; temporary files are ignored."""
    names = (name.removeprefix(f"{FOLDER}/") for name in files.sizes(FOLDER))
    return frozenset(
        name.removesuffix(".json")
        for name in names
        if name.endswith(".json") and TRIAL_ID.fullmatch(name.removesuffix(".json"))
    )


def commit_path(trial_id: str) -> str:
    """Return the path of a trial's commit file, relative to the run."""
    return f"{FOLDER}/{trial_id}.json"


def judged_path(trial_id: str) -> str:
    """Return the path of the commit file that replaces a trial's first one, relative to the run."""
    return f"{JUDGED}/{trial_id}.json"


def read_commit(files: Files, trial_id: str) -> Commit:
    """Return a trial's first commit. Raises `StoreError` if there is none or it is malformed."""
    name = commit_path(trial_id)
    try:
        return _parse(files.read(name), f"{files.run}/{name}", trial_id, (SCHEMA_VERSION,))
    except FileNotFoundError as error:
        raise StoreError(f"{files.run}: must be a committed trial, got {trial_id!r}") from error


def has_all_tables(files: Files, content: str) -> bool:
    """Return whether all table files exist as a commit file's `content` lists them."""
    try:
        listed: list[dict[str, Any]] = list(json.loads(content)["files"].values())
        return all(len(files.read(file["path"])) == file["bytes"] for file in listed)
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return False


def list_commits(files: Files, versions: Collection[int] = (SCHEMA_VERSION,)) -> list[Commit]:
    """Return all commits, sorted by id, those in `JUDGED` first; their table files are not checked.

    Raises `StoreError` naming the file if a commit is malformed.
    """
    judged = files.sizes(JUDGED)
    names = {
        trial_id: name if (name := judged_path(trial_id)) in judged else commit_path(trial_id)
        for trial_id in sorted(committed_ids(files))
    }
    return [
        _parse(content, f"{files.run}/{name}", trial_id, versions)
        for (trial_id, name), content in zip(names.items(), files.read_all([*names.values()]), strict=True)
    ]


def read_commits(files: Files, versions: Collection[int] = (SCHEMA_VERSION,)) -> tuple[Commit, ...]:
    """Return all commits in the order they were made, after checking that their files have the full length.

    Commits of an earlier schema version, if `versions` includes it, list only the tables of that version.

    Raises `StoreError` naming the file if a commit or a listed file is missing, truncated or malformed.
    """
    try:
        commits = _check_tables(files, list_commits(files, versions))
    except StoreError:  # perhaps as a trial was completed and its first files removed since they were listed
        commits = _check_tables(files, list_commits(files, versions))
    return tuple(sorted(commits, key=lambda commit: (commit.sequence, commit.trial_id)))


def _check_tables(files: Files, commits: list[Commit]) -> list[Commit]:
    """Return `commits`; raise `StoreError` if a table file has not the length that they list."""
    sizes = files.sizes("tables")
    for commit in commits:
        for file in commit.files.values():
            if sizes.get(file.path) != file.bytes:
                got = f"{sizes[file.path]} bytes" if file.path in sizes else "no such file"
                raise StoreError(
                    f"{files.run}/{file.path}: must have the {file.bytes} bytes committed, got {got}; "
                    f"restore it, or delete {FOLDER}/{commit.trial_id}.json to drop the trial"
                )
    return commits


def _parse(content: bytes, where: str, trial_id: str, versions: Collection[int]) -> Commit:
    try:
        fields: dict[str, Any] = json.loads(content)
        version = fields["schema_version"]
        check_version(version, where, versions)
        there = [table for table in TABLES if version == SCHEMA_VERSION or table in fields["files"]]
        listed = {table: TableFile(**fields["files"][table]) for table in there}
        commit = Commit(fields["trial_id"], int(fields["sequence"]), listed, version)
    except (ValueError, TypeError, KeyError) as error:
        raise StoreError(f"{where}: must be a commit as JSON, got {content[:80]!r}") from error
    if trial_id != commit.trial_id:
        raise StoreError(f"{where}: must be named after its trial, got trial_id {commit.trial_id!r}")
    return commit
