"""Processes that are killed, stopped or terminated: the head, Ray's own, a rank, a trial, the driver."""

import json
import signal
from contextlib import suppress
from pathlib import Path

import psutil

from tests.faults_page import CountedRow
from tests.s3 import BUCKET, serving
from tests.sweep.local_faults.experiment import AN_EPOCH, Sweeps, experiment, wait
from tests.sweep.local_faults.memory import PretendedMemory

RANK, TRIAL = "ray::RayTrainWorker", "ray::ResourceTrainable"
ENDED_S = 180.0


def head_lost(sweeps: Sweeps) -> CountedRow:
    """Kill all processes of a head, and continue on another with nothing but the run's URL."""
    with serving(), experiment(sweeps, "head", run=f"s3://{BUCKET}/head") as case:
        first = case.start()
        case.wait_for_training(first)
        case.note()
        kill([psutil.Process(first.process.pid), *first.left()])
        case.stopped()
        second = case.start("--resume")
        seconds = case.recovered_s(second)
        second.finish()
        how = "SIGKILL to the driver, GCS and all of Ray at once; `--resume` in another directory, run on S3"
        return case.row("the head is lost", how, AN_EPOCH, seconds)


def control_service_killed(sweeps: Sweeps) -> CountedRow:
    """Kill Ray's control service (GCS); the driver has to end, and a new one continues."""
    return _ray_killed(sweeps, "gcs", "the head's control service (GCS) is killed", "gcs_server")


def raylet_killed(sweeps: Sweeps) -> CountedRow:
    """Kill the raylet of the head; the driver has to end, and a new one continues."""
    return _ray_killed(sweeps, "raylet", "the head's raylet is killed", "raylet")


def _ray_killed(sweeps: Sweeps, name: str, fault: str, program: str) -> CountedRow:
    with experiment(sweeps, name) as case:
        first = case.start()
        case.wait_for_training(first)
        case.note()
        (victim,) = [each for each in first.left() if each.name() == program]
        kill([victim])
        code, ended_s = first.process.wait(ENDED_S), case.since_s()
        case.stopped()
        assert code, first.text()
        second = case.start("--resume")
        seconds = case.recovered_s(second)
        second.finish()
        how = f"SIGKILL; the driver ended with exit code {code} after {ended_s:.0f} s, then `--resume`"
        return case.row(fault, how, AN_EPOCH, seconds)


def rank_out_of_memory(sweeps: Sweeps) -> CountedRow:
    """Let Ray's memory monitor kill a rank, as the process that was started last."""
    one = {"RAY_worker_killing_policy_by_group": "true"}
    fault = "the memory monitor kills a rank"
    return _out_of_memory(sweeps, "memory-rank", fault, "one process at a time", RANK, one)


def trial_out_of_memory(sweeps: Sweeps) -> CountedRow:
    """Let Ray's memory monitor kill what it selects by default, which is all processes of Ray's workers."""
    fault = "the memory monitor kills the trainable, the ranks and all other actors"
    return _out_of_memory(sweeps, "memory-trial", fault, "the default policy", TRIAL, {})


def _out_of_memory(
    sweeps: Sweeps, name: str, fault: str, policy: str, victim_title: str, variables: dict[str, str]
) -> CountedRow:
    with experiment(sweeps, name) as case:
        memory = PretendedMemory(case.folder / "meminfo")
        watched = {"RAY_memory_monitor_refresh_ms": "100", **variables}
        session = case.start(variables=watched, prefix=memory.prefix, settings=("search.max_failures=9",))
        case.wait_for_training(session)
        victim = session.only(victim_title)
        case.note()
        memory.used_up()
        wait(lambda: is_gone(victim), session)
        memory.free()
        session.wait_for("restarted (1 of 9)")
        seconds = case.recovered_s(session)
        session.finish()
        how = (
            f"99 % of the memory seem to be in use until a victim is dead ({policy}); the trial is restarted"
        )
        return case.row(fault, how, AN_EPOCH, seconds)


def rank_hangs(sweeps: Sweeps) -> CountedRow:
    """Stop a rank for ever."""
    minutes = 0.5
    with experiment(sweeps, "hang") as case:
        session = case.start(settings=(f"search.hang_minutes={minutes}", "search.max_failures=9"))
        case.wait_for_training(session)
        rank = session.only(RANK)
        case.note()
        rank.suspend()
        session.wait_for("restarted (1 of 9)")
        seconds = case.recovered_s(session)
        session.finish()
        how = f"SIGSTOP; ended after `search.hang_minutes: {minutes}` and restarted"
        return case.row("a rank hangs", how, AN_EPOCH, seconds)


def rank_terminated(sweeps: Sweeps) -> CountedRow:
    """Send SIGTERM to a rank, as a job manager that ends single processes does."""
    with experiment(sweeps, "rank-sigterm") as case:
        session = case.start()
        case.wait_for_training(session)
        rank = session.only(RANK)
        case.note()
        rank.terminate()
        session.wait_for("restarted (1 of 2)")
        seconds = case.recovered_s(session)
        session.finish()
        return case.row("a rank gets SIGTERM", "SIGTERM; the trial is restarted", AN_EPOCH, seconds)


def driver_terminated(sweeps: Sweeps) -> CountedRow:
    """Send SIGTERM to the driver."""
    with experiment(sweeps, "sigterm") as case:
        first = case.start()
        case.wait_for_training(first)
        case.note()
        first.process.send_signal(signal.SIGTERM)
        assert first.process.wait(ENDED_S) == 130, first.text()
        case.stopped()
        assert "--resume" in first.text().splitlines()[-1]
        assert json.loads(Path(case.run, "session.json").read_bytes())["how"] == "interrupted"
        assert json.loads(Path(case.run, "attempts.json").read_bytes())["trials"] == {}
        second = case.start("--resume")
        seconds = case.recovered_s(second)
        second.finish()
        how = "SIGTERM, as Slurm and Kubernetes do, then `--resume`"
        return case.row("the driver gets SIGTERM", how, AN_EPOCH, seconds)


def kill(processes: list[psutil.Process]) -> None:
    """Kill processes, some of which may have ended meanwhile."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def is_gone(process: psutil.Process) -> bool:
    """Return whether a process has ended."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
