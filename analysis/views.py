"""A DuckDB view for each table of the store, over all runs, that reads only what a query needs."""

from collections.abc import Iterable, Sequence

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from lookahead_ray.store.commits import Commit
from lookahead_ray.store.files import Files
from lookahead_ray.store.schemas import SCHEMA_VERSION, SCHEMAS, TABLES, TableName

RunFiles = tuple[str, Files, Sequence[Commit]]
"""A run's name, its files and its commits."""


def create_views(connection: duckdb.DuckDBPyConnection, runs: Iterable[RunFiles]) -> None:
    """Make the views, then lock the connection: from here on it reads the runs' tables and no other file.

    Each view has the column `run` and then those of `SCHEMAS`; what a file of an earlier schema version lacks
    is null. Local Parquet files are read by DuckDB itself, others through pyarrow.
    """
    runs = list(runs)
    for table in TABLES:
        parts = [part for place, run in enumerate(runs) for part in _parts(connection, table, place, *run)]
        selected = " UNION ALL ".join(parts) or _nothing(connection, table)
        connection.execute(f'CREATE VIEW "{table}" AS {selected}')
    allowed = [f"{files.path('tables')}/" for _, files, _ in runs if _for_duckdb(files)]
    connection.execute(f"SET allowed_directories = [{', '.join(map(quoted, allowed))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def quoted(text: str) -> str:
    """An SQL string."""
    return "'" + text.replace("'", "''") + "'"


def _parts(
    connection: duckdb.DuckDBPyConnection,
    table: TableName,
    place: int,
    name: str,
    files: Files,
    commits: Sequence[Commit],
) -> Iterable[str]:
    for version in sorted({commit.schema_version for commit in commits}):
        own = [commit for commit in commits if commit.schema_version == version]
        paths = [files.path(commit.files[table].path) for commit in own if table in commit.files]
        if not paths:
            continue
        if _for_duckdb(files):
            listed = ", ".join(quoted(path) for path in paths)
            source = f"read_parquet([{listed}], union_by_name = {str(version != SCHEMA_VERSION).lower()})"
        else:
            registered = f"{table} {place} {version}"
            source = f'"{registered}"'
            schema = pa.schema([_plain(field) for field in SCHEMAS[table]])
            scanned = ds.dataset(paths, schema, format="parquet", filesystem=files.arrow())
            connection.register(registered, scanned)
        columns = _columns(connection, table, source, version)
        yield f"SELECT {quoted(name)} AS run, {columns} FROM {source}"  # noqa: S608


def _columns(connection: duckdb.DuckDBPyConnection, table: TableName, source: str, version: int) -> str:
    there = set(SCHEMAS[table].names)
    if version != SCHEMA_VERSION:
        described = connection.sql(f"FROM {source} LIMIT 0")
        there = set(described.columns)
    selected = []
    for field in SCHEMAS[table]:
        kind = {pa.int64(): "BIGINT", pa.float64(): "DOUBLE", pa.list_(pa.float64()): "DOUBLE[]"}
        missing = f"NULL::{kind.get(field.type, 'VARCHAR')} AS"
        selected.append(f'"{field.name}"' if field.name in there else f'{missing} "{field.name}"')
    return ", ".join(selected)


def _nothing(connection: duckdb.DuckDBPyConnection, table: TableName) -> str:
    schema = pa.schema([pa.field("run", pa.string()), *(_plain(field) for field in SCHEMAS[table])])
    connection.register(f"no {table}", schema.empty_table())
    return f'SELECT * FROM "no {table}"'  # noqa: S608


def _plain(field: pa.Field) -> pa.Field:
    """The field without its dictionary, which DuckDB would take for an enumeration."""
    return pa.field(field.name, pa.string() if pa.types.is_dictionary(field.type) else field.type)


def _for_duckdb(files: Files) -> bool:
    """Whether DuckDB can open the files itself: local ones in whose path it sees no pattern."""
    return files.local and not set("*?[") & set(files.root)
