"""The commit of a trial: a small JSON file, written last, that makes the trial visible.

Of a training with several points (`TrialRecord`) one file, named after the training, commits all of them
together. It lists `points` in place of `files`, so that readers of versions without points refuse it.
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
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
    """The commit of one record, as in `<run>/commits/<trial_id>.json` and `<run>/judged/<trial_id>.json`.

    For a training with several points, the first file holds one for each.
    """

    trial_id: str
    sequence: int  # increases in the order of the run's commits, from 1
    files: dict[TableName, TableFile]
    schema_version: int = SCHEMA_VERSION
    training: str | None = None  # of which it is one of several points


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
    """Return the ids of the trials visible to readers, of several points the training's; temporary files are
    ignored."""
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


def commit_content(commits: Sequence[Commit]) -> bytes:
    """Return the content of the file that commits a trial, or all points of a training in their order."""
    first, *further = map(asdict, commits)
    if not further:
        return json.dumps({k: v for k, v in first.items() if k != "training" or v}, indent=2).encode()
    shared = {key: first[key] for key in ("trial_id", "sequence", "schema_version")}
    points = [{"trial_id": each["trial_id"], "files": each["files"]} for each in (first, *further)]
    return json.dumps({**shared, "points": points}, indent=2).encode()


def read_commit(files: Files, trial_id: str, training: str | None = None) -> Commit:
    """Return the first commit of a trial, which may be a point of `training`.

    Raises `StoreError` if there is none or it is malformed.
    """
    name = commit_path(training or trial_id)
    with suppress(FileNotFoundError):
        content = files.read(name)
        for commit in _parse(content, f"{files.run}/{name}", training or trial_id, (SCHEMA_VERSION,)):
            if commit.trial_id == trial_id:
                return commit
    raise StoreError(f"{files.run}: must be a committed trial, got {trial_id!r}")


def has_all_tables(files: Files, content: str) -> bool:
    """Return whether all table files exist as a commit file's `content` lists them."""
    try:
        fields: dict[str, Any] = json.loads(content)
        points: list[dict[str, Any]] = fields.get("points") or [fields]
        listed: list[dict[str, Any]] = [file for point in points for file in point["files"].values()]
        return all(len(files.read(file["path"])) == file["bytes"] for file in listed)
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return False


def list_commits(files: Files, versions: Collection[int] = (SCHEMA_VERSION,)) -> list[Commit]:
    """Return all commits, sorted by id, those in `JUDGED` first; their table files are not checked.

    Raises `StoreError` naming the file if a commit is malformed.
    """
    names = {trial_id: commit_path(trial_id) for trial_id in sorted(committed_ids(files))}
    first = _read(files, names, versions)
    judged = files.sizes(JUDGED)
    names = {c.trial_id: name for c in first if (name := judged_path(c.trial_id)) in judged}
    later = {commit.trial_id: commit for commit in _read(files, names, versions)}
    return [later.get(commit.trial_id, commit) for commit in first]


def _read(files: Files, names: Mapping[str, str], versions: Collection[int]) -> list[Commit]:
    """Return the commits in the files `names`, by the id that each is named after."""
    contents = zip(names.items(), files.read_all([*names.values()]), strict=True)
    return [
        commit
        for (named_after, name), content in contents
        for commit in _parse(content, f"{files.run}/{name}", named_after, versions)
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
    return tuple(sorted(commits, key=lambda commit: commit.sequence))  # points stay in their order


def _check_tables(files: Files, commits: list[Commit]) -> list[Commit]:
    """Return `commits`; raise `StoreError` if a table file has not the length that they list."""
    sizes = files.sizes("tables")
    for commit in commits:
        for file in commit.files.values():
            if sizes.get(file.path) != file.bytes:
                got = f"{sizes[file.path]} bytes" if file.path in sizes else "no such file"
                raise StoreError(
                    f"{files.run}/{file.path}: must have the {file.bytes} bytes committed, got {got}; "
                    f"restore it, or delete {_first_path(commit)} to drop the trial"
                )
    return commits


def _first_path(commit: Commit) -> str:
    return commit_path(commit.training or commit.trial_id)


def _parse(content: bytes, where: str, named_after: str, versions: Collection[int]) -> list[Commit]:
    """Return the commit in a file, or those of all points of a training."""
    try:
        fields: dict[str, Any] = json.loads(content)
        version, sequence = fields["schema_version"], int(fields["sequence"])
        check_version(version, where, versions)
        parts, training = [fields], fields.get("training")
        if "points" in fields:
            parts, training = fields["points"], fields["trial_id"]
        commits = []
        for part in parts:
            there = [table for table in TABLES if version == SCHEMA_VERSION or table in part["files"]]
            listed = {table: TableFile(**part["files"][table]) for table in there}
            commits.append(Commit(part["trial_id"], sequence, listed, version, training))
        first = commits[0].trial_id
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise StoreError(f"{where}: must be a commit as JSON, got {content[:80]!r}") from error
    if named_after != first:
        raise StoreError(f"{where}: must be named after its trial, got trial_id {first!r}")
    return commits
