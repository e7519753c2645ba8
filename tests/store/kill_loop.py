"""Commits trials in child processes and kills each at a random time.

`python -m tests.store.kill_loop RUN KILLS SEED`

One process imports everything once and forks, so that a kill costs no interpreter start. A child continues
with the first trial that isn't committed, as a driver does; its lock must be free although the previous child
was killed.
"""

import math
import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

import lookahead_ray.store as store
from lookahead_ray.store import TABLES
from tests.factory import make_record
from tests.store.contract import IDENTITY

CALIBRATION = (
    3  # trials that the first child commits without being killed, to measure how long a commit takes
)


def start(run: str, trials: float) -> int:
    """Fork a child that commits up to `trials` trials; returns its process id once it holds the lock."""
    ready, tell = os.pipe()
    child = os.fork()
    if child:
        os.close(tell)
        os.read(ready, 1)
        os.close(ready)
        return child
    status = 1
    try:
        with store.lock(run):
            writer = store.create(run, IDENTITY)
            os.write(tell, b"x")
            while (done := len(writer.committed_ids())) < trials:
                writer.commit(make_record(done))
        status = 0
    except BaseException:
        traceback.print_exc()
    os._exit(status)


def uncommitted(run: str) -> bool:
    """Return whether the run has files that no commit lists."""
    files = [path.name for path in Path(run).glob("*/**/*") if path.is_file()]
    commits = sum(name.endswith(".json") and not name.startswith(".") for name in files)
    return len(files) != (1 + len(TABLES)) * commits


def main(run: str, kills: int, seed: int) -> None:
    """Kill `kills` children; print the number of kills and of interrupted commits."""
    began = time.monotonic()
    os.waitpid(start(run, CALIBRATION), 0)
    commit_s = (time.monotonic() - began) / CALIBRATION
    rng = random.Random(seed)
    killed = cut_short = 0
    for _ in range(kills):
        child = start(run, math.inf)
        time.sleep(rng.uniform(0.0, 2.5 * commit_s))
        os.kill(child, signal.SIGKILL)
        killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
        cut_short += uncommitted(run)
    print(killed, cut_short)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
