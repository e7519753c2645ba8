"""`python -m analysis.report RUN [RUN …] --out report.html`."""

import argparse
import sys
from pathlib import Path

from analysis.report.page import write_report
from lookahead_ray.errors import LookaheadRayError


def main() -> int:
    """Write the report; 1 and one line on standard error if a run can't be read."""
    parser = argparse.ArgumentParser(prog="python -m analysis.report", description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="directory or URL of a run's tables")
    parser.add_argument("--out", type=Path, default=Path("report.html"), help="the file to write")
    arguments = parser.parse_args()
    try:
        write_report(arguments.runs, arguments.out)
    except LookaheadRayError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
