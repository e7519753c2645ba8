"""Private memory that a running trial costs the head of a cluster: `python -m benchmarks.head_memory`.

The cluster is two raylets on this machine: a head without cores, as in `cluster.yaml`, and a worker. A trial
of the quickstart runs on it. The processes that the head's raylet starts for it are listed with their private
memory (`USS`, which would be free without the process).
"""

import os
import tempfile
import threading
from pathlib import Path
from typing import Annotated

import psutil  # type: ignore[import-untyped]
import typer

from benchmarks.search.ours import Silent

SETTINGS = (
    *(
        "workers=1",
        "search.trials=1",
        "search.max_concurrent=1",
        "training.epochs=1",
        "training.precision=fp32",
    ),
    *("task.train_examples=16", "task.test_examples=4", "evaluation.safety_new_tokens=4"),
    *("safety.harmful_prompts=10", "safety.benign_prompts=10", "evaluation.task_new_tokens=4"),
)
SAMPLE_S = 1.0
TRIAL, TRIAL_NAMES = "the trial's process", ("ray::ResourceTrainable", "ray::TuneTrial")
OF_THE_SWEEP = (
    *("ray::IDLE", "ray::Decisions", "ray::RunQuota", "ray::_AutoscalingCoordinatorActor"),
    *("ray::DashboardAgent", "ray::RuntimeEnvAgent"),
)
"""Processes that there are once, or that wait to be used, however many trials run."""


def measure_head_memory(settings: tuple[str, ...]) -> dict[str, int]:
    """Run the quickstart with `settings`; return the most private bytes on the head, by kind of process."""
    os.environ["RAY_AUTH_MODE"] = "disabled"  # for some minutes, with nothing to steal
    from ray.cluster_utils import Cluster

    from lookahead_ray.cli.space_lookup import find
    from lookahead_ray.config.load import load_sweep
    from lookahead_ray.entrypoints.sweep import fit_to_machines, lock_run, open_sink
    from lookahead_ray.sweep.driver import run_sweep

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    cluster.add_node(num_cpus=1)
    os.environ["RAY_ADDRESS"] = cluster.address
    assert cluster.head_node
    raylet = psutil.Process(cluster.head_node.all_processes["raylet"][0].process.pid)
    most: dict[str, int] = {}
    done = threading.Event()

    def sample() -> None:
        while not done.wait(SAMPLE_S):
            now: dict[str, int] = {}
            for process in raylet.children():
                try:
                    kind = process.cmdline()[0].partition(".")[0].partition("(")[0]
                    kind = TRIAL if kind in TRIAL_NAMES else kind
                    if kind.startswith(("ray::", TRIAL)) and kind not in OF_THE_SWEEP:
                        now[kind] = now.get(kind, 0) + process.memory_full_info().uss
                except (psutil.Error, IndexError):
                    continue
            if sum(now.values()) > sum(most.values()):
                most.clear()
                most.update(now)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        with tempfile.TemporaryDirectory(prefix="lr") as folder:
            run = str(Path(folder, "run"))
            sweep = fit_to_machines(load_sweep(find("quickstart"), settings), run, print)
            with lock_run(run, resume=False) as hold:
                run_sweep(sweep, open_sink(sweep, hold, {}), Silent())
    finally:
        done.set()
        thread.join()
        cluster.shutdown()
        os.environ.pop("RAY_ADDRESS")
    return most


def main(
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="As of `sweep`, such as model.path=DIR.")
    ] = None,
) -> None:
    """Print the private memory on the head by kind of process, and their sum."""
    found = measure_head_memory((*SETTINGS, *(settings or ())))
    for kind, size in sorted(found.items(), key=lambda item: -item[1]):
        print(f"{size / 1e6:6.0f} MB  {kind}")
    print(f"{sum(found.values()) / 1e6:6.0f} MB  in all, per running trial")


if __name__ == "__main__":
    typer.run(main)
