"""SQL queries on the tables of runs."""

from collections.abc import Sequence
from itertools import count

import duckdb
import pyarrow as pa

from analysis.runs import QueryError, open_runs

ALLOWED = "one statement that gives rows: SELECT, WITH, FROM, VALUES, DESCRIBE, SUMMARIZE or SHOW TABLES"


def query(sql: str, runs: Sequence[str], limit: int | None = None) -> pa.Table:
    """Return the rows of the query `sql` on the tables of `views.VIEWS`, whose first column is `run`.

    Columns of the same name are numbered. The query can read only the runs' tables and write nothing. Raises
    `QueryError` if it is wrong or not allowed, and `StoreError` if a run cannot be read.
    """
    check(sql)
    found = open_runs(runs).sql(sql, limit)
    return found.rename_columns(distinct_names(found.column_names))


def distinct_names(names: Sequence[str]) -> list[str]:
    """Return the names with `_1`, `_2` … appended to repeated ones; an object of JSON has each name once."""
    made: list[str] = []
    for name in names:
        further = (f"{name}_{number}" for number in count(1))
        made.append(name if name not in made else next(one for one in further if one not in {*made, *names}))
    return made


def check(sql: str) -> None:
    """Raise `QueryError` unless `sql` is one statement that only reads."""
    try:
        with duckdb.connect() as connection:
            statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryError(f"query: {' '.join(str(error).split('LINE ')[0].split())}") from error
    types = [statement.type for statement in statements]
    if types != [duckdb.StatementType.SELECT]:
        got = ", ".join(str(one).rpartition(".")[2] for one in types) or "none"
        raise QueryError(f"query: must be {ALLOWED}; got {got}")
