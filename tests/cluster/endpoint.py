"""A judge's endpoint on an address and port: `python -m tests.cluster.endpoint ADDRESS PORT`."""

import sys
import time

from tests.evaluate.judges.judge_server import serve

if __name__ == "__main__":
    with serve(int(sys.argv[2]), sys.argv[1]):
        while True:
            time.sleep(60)
