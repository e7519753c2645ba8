"""A driver that is stopped by SIGSTOP between its last look at the lease and its commit, on S3 (moto)."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from lookahead_ray import store
from lookahead_ray.store import lease
from lookahead_ray.store.files import Files
from tests.factory import make_record
from tests.s3 import BUCKET, serving
from tests.store.contract import IDENTITY

ROOT = Path(__file__).parents[2]
RENEW_S, STALE_S = 0.2, 2.0
DRIVER = f"""
import os, signal, sys
from types import SimpleNamespace
import typer
from lookahead_ray import store
from lookahead_ray.entrypoints.errors import exit_on_error
from lookahead_ray.entrypoints.session import session
from lookahead_ray.store import lease
from lookahead_ray.store.ledger import Ledger
from tests.factory import make_record
from tests.store.contract import IDENTITY

lease.RENEW_S, lease.STALE_S = {RENEW_S}, {STALE_S}
create = Ledger.create

def suspended(ledger, number, entry):
    if entry.kind == "commit" and "trial-1" in entry.pending.name:
        os.kill(os.getpid(), signal.SIGSTOP)
    return create(ledger, number, entry)

Ledger.create = suspended
sweep = SimpleNamespace(name="x", search=SimpleNamespace(trials=3, model_dump=lambda mode: {{}}))
try:
    with exit_on_error(), store.lock(sys.argv[1]) as hold:
        writer = store.create(sys.argv[1], IDENTITY, hold)
        with session(hold, sweep):
            for number in range(3):
                writer.commit(make_record(number))
except typer.Exit as end:
    sys.exit(end.exit_code)
"""


@pytest.mark.slow
def test_it_writes_nothing_more_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEW_S", RENEW_S)
    monkeypatch.setattr(lease, "STALE_S", STALE_S)
    with serving():
        run = f"s3://{BUCKET}/{uuid4().hex}"
        command = [sys.executable, "-c", DRIVER, run]
        driver = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        try:
            _, status = os.waitpid(driver.pid, os.WUNTRACED)
            assert os.WIFSTOPPED(status)
            with store.lock(run) as hold:
                writer = store.create(run, IDENTITY, hold)
                assert writer.committed_ids() == {"trial-0"}
                writer.commit(make_record(1, prompts=3))
                hold.keep("session.json", b"{}")
                before = Files(run).sizes("")
                driver.send_signal(signal.SIGCONT)
                _, said = driver.communicate(timeout=60)
                after = Files(run).sizes("")
                writer.commit(make_record(2))
        finally:
            driver.kill()
            driver.communicate()
        assert driver.returncode == 2
        assert f"lost to another driver: process {os.getpid()} on " in said
        assert "suspended, or cut off" in said
        changed = {name for name in before if before[name] != after.get(name)} | (
            after.keys() - before.keys()
        )
        assert {name.split("/")[0] for name in changed} <= {"heartbeats"}  # of the second driver
        expected = [make_record(0), make_record(1, prompts=3), make_record(2)]
        assert store.open(run).records() == expected
