"""A sweep of trials that hold GPUs without using them; `placement` runs it on a head."""

import json
import os
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.trainable import FunctionTrainable

from benchmarks.driver_noop import measurement
from benchmarks.driver_worker import SPACE, Watching
from lookahead_ray.config.load import load_sweep
from lookahead_ray.config.trial import TrialConfig
from lookahead_ray.entrypoints.sweep import lock_run, open_sink
from lookahead_ray.sweep.driver import run_sweep
from lookahead_ray.trial.job import Job
from lookahead_ray.trial.worker_group import MEASUREMENT

HELD = "LOOKAHEAD_RAY_BENCH_HELD"
"""Environment variable with the path of a file to which each trial appends when it requested, received and
returned its GPUs, and the number of its nodes.
"""
SECONDS = "LOOKAHEAD_RAY_BENCH_SECONDS"
"""Environment variable with the mean time for which a trial holds its GPUs, in seconds."""
SETTINGS = ("workers=4", "gpus_per_worker=1", "cpus_per_worker=0.25", "training.precision=bf16")
SAMPLE_S = 0.25
IDLE_LIMIT_S = 180.0  # time limit for the nodes to disappear at the end


class HoldingTrial(FunctionTrainable):
    """Reserves what the ranks of `config["job"]` need, as its worker group would, for some time."""

    def _trainable_func(self, config: dict[str, Any]) -> None:
        from ray.util.placement_group import placement_group, placement_group_table, remove_placement_group

        job: Job = config["job"]
        trial = TrialConfig.model_validate(job.config)
        requested = time.time()
        workers, cpus, gpus = trial.resources
        group = placement_group([{"CPU": cpus, "GPU": gpus}] * workers, strategy="PACK")
        while not group.wait(timeout_seconds=60):
            continue
        received = time.time()
        time.sleep(float(os.environ[SECONDS]) * random.Random(job.trial_id).uniform(0.5, 1.5))
        nodes = len(set(placement_group_table(group)["bundles_to_node_id"].values()))
        remove_placement_group(group)
        line = json.dumps([job.trial_id, requested, received, time.time(), workers, nodes])
        with Path(os.environ[HELD]).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
        tune.report({MEASUREMENT: measurement(job)})
        tune.report({tune.result.RESULT_DUPLICATE: True})


def main(run: str, trials: int, out: Path) -> None:
    """Run the sweep, then wait until all nodes are gone; write the node counts over time to `out`."""
    import ray

    sweep = load_sweep(SPACE, [*SETTINGS, f"search.trials={trials}"])
    samples: list[tuple[float, int]] = []
    done = threading.Event()

    def sample() -> None:
        while not done.wait(SAMPLE_S):
            if ray.is_initialized():
                nodes = ray.nodes()  # type: ignore[no-untyped-call]  # Ray lacks its annotation
                alive = [node for node in nodes if node["Alive"] and "GPU" in node["Resources"]]
                samples.append((time.time(), len(alive)))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    with lock_run(run, resume=False) as hold:
        run_sweep(sweep, open_sink(sweep, hold, {}), Watching(), trainable=HoldingTrial)
    ended = time.time()
    ray.init(log_to_driver=False)
    while samples[-1][1] and time.time() - ended < IDLE_LIMIT_S:
        time.sleep(SAMPLE_S)
    done.set()
    thread.join()
    ray.shutdown()
    out.write_text(json.dumps({"samples": samples, "ended": ended}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
