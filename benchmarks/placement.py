"""Utilisation of an autoscaled cluster by a sweep: `python -m benchmarks.placement --nodes 4 --trials 40`."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.common import BenchmarkError
from benchmarks.placement_cluster import GPUS, cluster_description, running_head
from benchmarks.placement_worker import HELD, SECONDS
from lookahead_ray import store


@dataclass(frozen=True)
class Hold:
    """The resources that one trial held: `gpus` on `nodes` nodes; times in seconds since 1970."""

    trial_id: str
    requested: float
    received: float
    returned: float
    gpus: int
    nodes: int


@dataclass(frozen=True)
class Placement:
    """How a sweep used a cluster."""

    trials: int
    most_nodes: int
    busy: float  # share of the GPU time of living nodes that trials held while trials waited for GPUs
    seconds_until_all_nodes: float  # from the first request of the search
    seconds_until_no_node: float  # from the end of the sweep
    spread: int  # trials that were placed on more nodes than necessary


def busy_share(holds: Sequence[Hold], samples: Sequence[tuple[float, int]], gpus: int = GPUS) -> float:
    """Return the share of GPU time that trials held, from the first node to the last trial's start.

    Args:
        samples: times and the number of living nodes.
    """
    end = max(hold.received for hold in holds)
    available = held = 0.0
    for (time, nodes), (later, _) in pairwise(samples):
        if time < end and nodes:
            available += nodes * gpus * (later - time)
            held += sum(
                hold.gpus * max(0.0, min(later, hold.returned) - max(time, hold.received)) for hold in holds
            )
    return held / available


def measure_placement(nodes: int, trials: int, seconds: float, idle_minutes: float) -> Placement:
    """Run the sweep on a new cluster and return its utilisation.

    Raises:
        BenchmarkError: the head or the driver failed.
    """
    # a short name, because the paths of sockets below it have a length limit
    with tempfile.TemporaryDirectory(prefix="lr") as folder:
        home = Path(folder)
        run, held, out = home / "run", home / "held", home / "out.json"
        variables = {HELD: str(held), SECONDS: str(seconds), "PYTHONPATH": str(Path(__file__).parents[1])}
        with running_head(home, cluster_description(nodes, idle_minutes), variables) as env:
            done = subprocess.run(  # noqa: S603
                [sys.executable, "-m", "benchmarks.placement_worker", str(run), str(trials), str(out)],
                env=env, capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                raise BenchmarkError(f"the driver failed:\n{done.stdout}\n{done.stderr[-4000:]}")
        observed = json.loads(out.read_text())
        holds = [Hold(*json.loads(line)) for line in held.read_text().splitlines()]
        stored = sorted(store.trial_ids(str(run)))
    if stored != sorted(hold.trial_id for hold in holds):
        raise BenchmarkError(f"must store the trials that ran: {len(holds)} ran, {len(stored)} are stored")
    samples = [(time, count) for time, count in observed["samples"]]
    most = max(count for _, count in samples)
    requested = min(hold.requested for hold in holds if hold.trial_id.startswith("search"))
    return Placement(
        trials=len(holds),
        most_nodes=most,
        busy=busy_share(holds, samples),
        seconds_until_all_nodes=next(time for time, count in samples if count == most) - requested,
        seconds_until_no_node=samples[-1][0] - observed["ended"] if samples[-1][1] == 0 else float("inf"),
        spread=sum(hold.nodes > -(-hold.gpus // GPUS) for hold in holds),
    )


def main(
    nodes: Annotated[int, typer.Option(min=1, help="Maximum number of nodes of 8 GPUs.")] = 4,
    trials: Annotated[
        int, typer.Option(min=1, help="Trials of 4 GPUs, in addition to the two references.")
    ] = 40,
    seconds: Annotated[float, typer.Option(min=1, help="Mean time for which a trial holds its GPUs.")] = 20.0,
    idle_minutes: Annotated[float, typer.Option(help="Minutes after which an idle node is removed.")] = 0.2,
) -> None:
    """Run a sweep of trials that only hold GPUs on 0 to N fake nodes, and print how the nodes were used."""
    found = measure_placement(nodes, trials, seconds, idle_minutes)
    for name, value in asdict(found).items():
        print(f"{name.replace('_', ' ')}: {value:.3g}" if isinstance(value, float) else f"{name}: {value}")


if __name__ == "__main__":
    typer.run(main)
