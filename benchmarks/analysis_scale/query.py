"""Time opening a run and a query: `python -m benchmarks.analysis_scale.query SQL RUN`."""

import json
import sys
import time

from analysis.runs import open_runs


def main(sql: str, run: str) -> None:
    """Print {"open_s": …, "query_s": …} as JSON."""
    start = time.perf_counter()
    opened = open_runs([run])
    between = time.perf_counter()
    opened.sql(sql)
    print(json.dumps({"open_s": between - start, "query_s": time.perf_counter() - between}))


if __name__ == "__main__":
    main(*sys.argv[1:])
