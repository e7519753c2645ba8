"""SQL queries on the tables of runs."""

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from analysis.runs import QueryError, open_runs

ALLOWED = "one statement that gives rows: SELECT, WITH, FROM, VALUES, DESCRIBE, SUMMARIZE or SHOW TABLES"


def query(sql: str, runs: Sequence[str], limit: int | None = None) -> pa.Table:
    """Return the rows of the query `sql` on the tables of `views.VIEWS`, whose first column is `run`.

    The query can read only the runs' tables and write nothing. Raises `QueryError` if it is wrong or not
    allowed, and `StoreError` if a run cannot be read.
    """
    check(sql)
    return open_runs(runs).sql(sql, limit)


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
