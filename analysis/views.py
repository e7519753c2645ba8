"""DuckDB views of the store's tables and of verdicts, over all runs; queries read only the data they need."""

from collections.abc import Iterable, Sequence

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from lookahead_ray.store.commits import Commit
from lookahead_ray.store.files import Files
from lookahead_ray.store.schemas import ADDED, SCHEMA_VERSION, SCHEMAS
from lookahead_ray.store.verdicts import FOLDER as VERDICTS_FOLDER
from lookahead_ray.store.verdicts import VERDICTS, verdict_files

VIEWS: dict[str, pa.Schema] = dict(SCHEMAS) | {"verdicts": VERDICTS}
"""Tables that can be queried: the store's tables, and the verdicts of `rejudge`."""
RunFiles = tuple[str, Files, Sequence[Commit]]
"""A run's name, its files and its commits."""


def create_views(connection: duckdb.DuckDBPyConnection, runs: Iterable[RunFiles]) -> None:
    """Create the views, then lock the connection, which can then read only the runs' tables and verdicts.

    Each view has the column `run` and then those of `VIEWS`; columns missing in a file of an earlier schema
    version are null. Local Parquet files are read by DuckDB itself, others through pyarrow.
    """
    runs = list(runs)
    for table in VIEWS:
        parts = [part for place, run in enumerate(runs) for part in _parts(connection, table, place, *run)]
        selected = " UNION ALL ".join(parts) or _nothing(connection, table)
        connection.execute(f'CREATE VIEW "{table}" AS {selected}')
    folders = ("tables", VERDICTS_FOLDER)
    allowed = [f"{files.path(folder)}/" for _, files, _ in runs if _for_duckdb(files) for folder in folders]
    connection.execute(f"SET allowed_directories = [{', '.join(map(quoted, allowed))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def quoted(text: str) -> str:
    """Return the text as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def _parts(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    place: int,
    name: str,
    files: Files,
    commits: Sequence[Commit],
) -> Iterable[str]:
    for version in sorted({commit.schema_version for commit in commits}):
        own = [commit for commit in commits if commit.schema_version == version]
        paths = _paths(table, files, own)
        if not paths:
            continue
        if _for_duckdb(files):
            listed = ", ".join(quoted(path) for path in paths)
            source = f"read_parquet([{listed}], union_by_name = {str(_may_lack(table, version)).lower()})"
        else:
            registered = f"{table} {place} {version}"
            source = f'"{registered}"'
            schema = pa.schema([_plain(field) for field in VIEWS[table]])
            scanned = ds.dataset(paths, schema, format="parquet", filesystem=files.arrow())
            connection.register(registered, scanned)
        columns = _columns(connection, table, source, version)
        yield f"SELECT {quoted(name)} AS run, {columns} FROM {source}"  # noqa: S608


def _may_lack(table: str, version: int) -> bool:
    """Return whether a file of `table` may lack some of its columns."""
    return version != SCHEMA_VERSION or table in ADDED


def _paths(table: str, files: Files, commits: Sequence[Commit]) -> list[str]:
    if table == "verdicts":
        return [files.path(name) for name in verdict_files(files, [commit.trial_id for commit in commits])]
    listed = (file for commit in commits for name, file in commit.files.items() if name == table)
    return [files.path(file.path) for file in listed]


def _columns(connection: duckdb.DuckDBPyConnection, table: str, source: str, version: int) -> str:
    there = set(VIEWS[table].names)
    if _may_lack(table, version):
        described = connection.sql(f"FROM {source} LIMIT 0")
        there = set(described.columns)
    selected = []
    for field in VIEWS[table]:
        kind = {pa.int64(): "BIGINT", pa.float64(): "DOUBLE", pa.list_(pa.float64()): "DOUBLE[]"}
        missing = f"NULL::{kind.get(field.type, 'VARCHAR')} AS"
        selected.append(f'"{field.name}"' if field.name in there else f'{missing} "{field.name}"')
    return ", ".join(selected)


def _nothing(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    schema = pa.schema([pa.field("run", pa.string()), *(_plain(field) for field in VIEWS[table])])
    connection.register(f"no {table}", schema.empty_table())
    return f'SELECT * FROM "no {table}"'  # noqa: S608


def _plain(field: pa.Field) -> pa.Field:
    """Return the field without dictionary encoding, which DuckDB would treat as an enumeration."""
    return pa.field(field.name, pa.string() if pa.types.is_dictionary(field.type) else field.type)


def _for_duckdb(files: Files) -> bool:
    """Return whether DuckDB can open the files itself: local ones whose path is not a pattern."""
    return files.local and not set("*?[") & set(files.root)
