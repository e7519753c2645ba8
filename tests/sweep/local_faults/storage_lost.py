"""Drivers that lose their run to another one, and disks that are full or gone."""

import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lookahead_ray.store import lease
from tests.disk import Disk, small_disk
from tests.faults_page import CountedRow
from tests.s3 import BUCKET, serving
from tests.sweep.local_faults.experiment import AN_EPOCH, PATIENCE_S, Experiment, Sweeps, experiment
from tests.sweep.local_faults.link import Link
from tests.sweep.processes import SweepProcess

STARTED = "started: "  # of a trial
ENDED_S = 240.0
REFUSED, INFRASTRUCTURE = 2, 75  # exit codes
DISK_KIB = 65536


@contextmanager
def mounted(folder: Path) -> Iterator[Disk]:
    """Mount a disk at a new folder that can be filled."""
    with small_disk(folder, DISK_KIB) as disk:
        yield disk


def driver_stopped(sweeps: Sweeps) -> CountedRow:
    """Stop a driver for longer than its lease, and let it go on while its successor writes."""
    with serving(), experiment(sweeps, "sigstop", run=f"s3://{BUCKET}/sigstop") as case:
        first = case.start()
        case.wait_for_training(first)
        case.note()
        first.process.send_signal(signal.SIGSTOP)
        second = _take_over(case)
        first.process.send_signal(signal.SIGCONT)
        seconds = _both_write(case, first, second)
        how = (
            f"SIGSTOP for longer than its lease ({lease.STALE_S:g} s); SIGCONT while the second driver trains"
        )
        return case.row("the driver is suspended, a second one takes over", how, AN_EPOCH, seconds)


def driver_cut_off(sweeps: Sweeps) -> CountedRow:
    """Cut a driver and its ranks off from the store for longer than the lease, while all go on."""
    with ExitStack() as stack:
        s3 = stack.enter_context(serving())
        link = stack.enter_context(Link(s3.port))
        case = stack.enter_context(experiment(sweeps, "partition", run=f"s3://{BUCKET}/partition"))
        first = case.start(variables={"AWS_ENDPOINT_URL": link.url})
        case.wait_for_training(first)
        case.note()
        link.cut()
        second = _take_over(case)
        link.mend()
        seconds = _both_write(case, first, second)
        how = (
            f"all that it and its ranks exchange with S3 is held back for longer than its lease "
            f"({lease.STALE_S:g} s), and delivered while the second driver trains"
        )
        return case.row("the driver is cut off, a second one takes over", how, AN_EPOCH, seconds)


def _take_over(case: Experiment) -> SweepProcess:
    second = case.start("--resume")
    second.wait_for(STARTED, timeout_s=PATIENCE_S)
    return second


def _both_write(case: Experiment, first: SweepProcess, second: SweepProcess) -> float:
    seconds = case.recovered_s(second)
    assert first.process.wait(ENDED_S) == REFUSED, first.text()
    assert "lost to another driver" in first.text()
    second.finish()
    return seconds


def full_at_commit(sweeps: Sweeps) -> CountedRow:
    """Fill the disk of the tables: the trial is kept elsewhere, and committed later."""
    return _full(sweeps, "commit", "tables", "the tables'", "nothing")


def full_at_journal(sweeps: Sweeps) -> CountedRow:
    """Fill the disk of the study's journal and the attempts."""
    return _full(sweeps, "journal", "", "the journal's", "nothing")


def _full(sweeps: Sweeps, stage: str, folder: str, whose: str, lost: str) -> CountedRow:
    with experiment(sweeps, f"full-{stage}") as case, ExitStack() as stack:
        run = Path(case.run)
        if folder:
            run.mkdir()
        disk = stack.enter_context(mounted(run / folder))
        if not folder:  # only what is written to the run's own folder meets the full disk
            for other in ("tables", "commits", "checkpoints"):
                stack.enter_context(mounted(run / other))
        first = case.start()
        case.wait_for_training(first)
        case.note()
        disk.fill()
        assert first.process.wait(ENDED_S) == REFUSED, first.text()
        assert "No space left on device" in first.text()
        disk.free()
        case.start("--resume").finish()
        how = f"{whose} disk filled in training; exit code {REFUSED}; space freed, then `--resume`"
        return case.row(f"disk full at the {stage}", how, lost)


def full_at_checkpoint(sweeps: Sweeps) -> CountedRow:
    """Fill the disk of the checkpoints: the trial goes on without them."""
    with experiment(sweeps, "full-checkpoint") as case:
        run = Path(case.run)
        run.mkdir()
        with mounted(run / "checkpoints") as disk:
            session = case.start()
            case.wait_for_training(session)
            case.note()
            disk.fill()
            session.finish()
            assert "no checkpoint after epoch" in workers_output(run)
            how = "the checkpoints' disk filled in training; the trial goes on without"
            return case.row("disk full at the checkpoint", how, "nothing")


def workers_output(run: Path) -> str:
    """Return what the workers of a run's only session printed, which is in Ray's folder."""
    found = re.search(r"worker output is in (.*)", (run / "driver.log").read_text())
    assert found
    return "".join(file.read_text(errors="replace") for file in Path(found[1]).glob("worker-*"))


def full_at_cache(sweeps: Sweeps) -> CountedRow:
    """Fill the disk of the caches before a trial that fills one."""
    with ExitStack() as stack:
        case = stack.enter_context(experiment(sweeps, "full-cache", "method={name: token_kl}"))
        disk = stack.enter_context(mounted(case.folder / "cache"))
        first = case.start()
        first.wait_for("finished: vanilla")
        case.note()
        disk.fill()
        code = first.process.wait(ENDED_S)
        assert code in (0, INFRASTRUCTURE), first.text()
        disk.free()
        if code:
            case.start("--resume").finish()
        how = f"the caches' disk filled before the search; exit code {code}; space freed, then `--resume`"
        return case.row("disk full at the cache", how, "the trial's start")


def shared_disk_gone(sweeps: Sweeps) -> CountedRow:
    """Take the model away, as when a shared disk is not mounted any more."""
    with experiment(sweeps, "unmounted") as case:
        first = case.start()
        first.wait_for("finished: vanilla")
        case.note()
        away = sweeps.model.with_name("away")
        sweeps.model.rename(away)
        try:
            code = first.process.wait(ENDED_S)
        finally:
            away.rename(sweeps.model)
        (said,) = [line for line in first.text().splitlines() if line.startswith("error: ")]
        assert (code, "3 trials in a row" in said, "--resume" in said) == (INFRASTRUCTURE, True, True), said
        assert f"has no {sweeps.model}" in said
        case.start("--resume").finish()
        how = f"the model's directory renamed during the search; exit code {code}; back, then `--resume`"
        return case.row("a shared disk is gone", how, "no committed trial")
