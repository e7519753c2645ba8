"""Does a sweep keep an autoscaled cluster busy? `python -m benchmarks.placement --nodes 4 --trials 40`."""

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
from benchmarks.placement_cluster import GPUS, described, started
from benchmarks.placement_worker import HELD, SECONDS
from lookahead_ray import store


@dataclass(frozen=True)
class Hold:
    """What one trial held: `gpus` on so many `nodes`; times in seconds since 1970."""

    trial_id: str
    asked: float
    had: float
    gave_back: float
    gpus: int
    nodes: int


@dataclass(frozen=True)
class Placement:
    """What a sweep did with a cluster."""

    trials: int
    most_nodes: int
    busy: float  # share of the GPU time of living nodes that trials held, while trials waited for GPUs
    seconds_until_all_nodes: float  # from the moment the search asked for them
    seconds_until_no_node: float  # from the end of the sweep
    spread: int  # trials that were put on more nodes than they need


def busy_share(holds: Sequence[Hold], samples: Sequence[tuple[float, int]], gpus: int = GPUS) -> float:
    """Share of the nodes' GPU time that trials held, from the first node to the last trial's start.

    Args:
        samples: times, and how many nodes were alive then.
    """
    end = max(hold.had for hold in holds)
    there = held = 0.0
    for (time, nodes), (later, _) in pairwise(samples):
        if time < end and nodes:
            there += nodes * gpus * (later - time)
            held += sum(
                hold.gpus * max(0.0, min(later, hold.gave_back) - max(time, hold.had)) for hold in holds
            )
    return held / there


def measured(nodes: int, trials: int, seconds: float, idle_minutes: float) -> Placement:
    """Run it. `BenchmarkError` if the head or the driver fails."""
    with tempfile.TemporaryDirectory(prefix="lr") as folder:  # short: sockets lie below it
        home = Path(folder)
        run, held, out = home / "run", home / "held", home / "out.json"
        variables = {HELD: str(held), SECONDS: str(seconds), "PYTHONPATH": str(Path(__file__).parents[1])}
        with started(home, described(nodes, idle_minutes), variables) as env:
            done = subprocess.run(  # noqa: S603
                [sys.executable, "-m", "benchmarks.placement_worker", str(run), str(trials), str(out)],
                env=env, capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                raise BenchmarkError(f"the driver failed:\n{done.stdout}\n{done.stderr[-4000:]}")
        told = json.loads(out.read_text())
        holds = [Hold(*json.loads(line)) for line in held.read_text().splitlines()]
        stored = sorted(store.trial_ids(str(run)))
    if stored != sorted(hold.trial_id for hold in holds):
        raise BenchmarkError(f"trials ran and were stored differently: {len(holds)} and {len(stored)}")
    samples = [(time, count) for time, count in told["samples"]]
    most = max(count for _, count in samples)
    asked = min(hold.asked for hold in holds if hold.trial_id.startswith("search"))
    return Placement(
        trials=len(holds),
        most_nodes=most,
        busy=busy_share(holds, samples),
        seconds_until_all_nodes=next(time for time, count in samples if count == most) - asked,
        seconds_until_no_node=samples[-1][0] - told["ended"] if samples[-1][1] == 0 else float("inf"),
        spread=sum(hold.nodes > -(-hold.gpus // GPUS) for hold in holds),
    )


def main(
    nodes: Annotated[int, typer.Option(min=1, help="Most nodes of 8 GPUs.")] = 4,
    trials: Annotated[int, typer.Option(min=1, help="Trials of 4 GPUs, besides the two references.")] = 40,
    seconds: Annotated[
        float, typer.Option(min=1, help="For which a trial holds its GPUs, in the mean.")
    ] = 20.0,
    idle_minutes: Annotated[float, typer.Option(help="After which an idle node goes.")] = 0.2,
) -> None:
    """Run a sweep of trials that only hold GPUs on 0 to N fake nodes, and print what became of the nodes."""
    found = measured(nodes, trials, seconds, idle_minutes)
    for name, value in asdict(found).items():
        print(f"{name.replace('_', ' ')}: {value:.3g}" if isinstance(value, float) else f"{name}: {value}")


if __name__ == "__main__":
    typer.run(main)
