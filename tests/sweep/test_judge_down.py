"""A whole sweep whose judge is down for an hour, scaled: writes its row of docs/faults.md.

    LOOKAHEAD_RAY_FAULTS=docs/faults.md pytest -m slow tests/sweep/test_judge_down.py

`patience_s` is 1 s in place of 120 s, so an outage of 30 s is to this sweep what an hour is by default.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from lookahead_ray import store
from lookahead_ray.evaluate.judges.call_quota import calls_of
from lookahead_ray.presentation.status import read_status
from lookahead_ray.trial.record import TrialRecord
from tests.cluster.faults import Faults
from tests.evaluate.judges.judge_server import Server, scored, serve
from tests.sweep.processes import SweepProcess
from tests.tiny import make_model

pytestmark = [pytest.mark.slow, pytest.mark.long]
OUTAGE_S, PATIENCE_S = 30.0, 1.0


class Endpoint:
    """A judge's server that can be stopped and started at the same address."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._port = 0
        self.requests = 0
        self.start()

    def start(self) -> None:
        self.server: Server = self._stack.enter_context(serve(self._port))
        self._port = int(self.server.base_url.split(":")[-1].split("/")[0])
        self.server.answer = lambda user, call: scored(f"#thescore: {5 if len(user) % 3 else 1}")

    def stop(self) -> None:
        self.requests += len(self.server.requests)
        self._stack.close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    yield made
    made.stop()


def essence(records: list[TrialRecord]) -> dict[str, Any]:
    """Return what must not depend on an outage, by trial id."""
    return {
        record.trial_id: (
            record.status, record.rsr, record.jsr, record.utility, record.objective,
            [(row.prompt_id, row.answer, row.verdict) for row in record.generations],
            [step.loss for step in record.steps],
        )
        for record in records
    }  # fmt: skip


def test_down_for_an_hour(endpoint: Endpoint, tmp_path: Path) -> None:
    model = make_model(tmp_path / "model")

    def settings(cache: str) -> tuple[str, ...]:
        judge = (
            f"name: llm, model: m, base_url: '{endpoint.server.base_url}', cache_dir: '{tmp_path}/{cache}',"
            f"timeout_s: 10, backoff_s: 0.1, max_pause_s: 0.2, retries: 1000, patience_s: {PATIENCE_S}"
        )
        trained = ("training.learning_rate=0.01", "training.epochs=4", "evaluation.safety_new_tokens=12")
        searched = ("workers=1", "search.trials=3", "search.sampler={name: random}")
        return (*trained, *searched, f"evaluation.judges=[{{{judge}}}]")

    with ExitStack() as stack:
        calm = SweepProcess(model, tmp_path / "calm", settings("calm"))
        stack.callback(calm.clean_up)
        calm.finish()
        undisturbed = essence(store.open(str(tmp_path / "calm")).records())
        asked = len(endpoint.server.requests)
        assert asked > 4 * 10  # each trial has answers of its own, whose scores are not cached

        run = str(tmp_path / "run")
        sweep = SweepProcess(model, run, settings("cache"))
        stack.callback(sweep.clean_up)
        sweep.wait_for("finished: vanilla")
        endpoint.stop()
        down_s = time.monotonic()
        assert sweep.process.wait(400) == 1, sweep.text()
        assert "for a judge, answers kept: judge llm: base_url: must be an endpoint" in sweep.text()
        states = [record.status for record in store.open(run).records()]
        waiting = states.count("unjudged")  # a trial whose answers are those of an earlier one needs no call
        assert set(states) == {"completed", "unjudged"}
        assert read_status(run).by_status["unjudged"] == waiting
        time.sleep(max(0.0, OUTAGE_S - (time.monotonic() - down_s)))
        endpoint.start()

        resumed = SweepProcess(model, run, settings("cache"), options=("--resume",))
        stack.callback(resumed.clean_up)
        text = resumed.finish()
    assert "running: " not in text  # nothing is trained again
    after = store.open(run).records()
    found = essence(after)
    doubled = sum(count - 1 for count in Counter(record.trial_id for record in after).values())
    lost = len(undisturbed.keys() - found.keys())
    wrong = sum(found[name] != undisturbed[name] for name in found)
    assert (lost, doubled, wrong) == (0, 0, 0)
    files = [name for name in Path(run, "tables", "generations").iterdir() if name.suffix == ".parquet"]
    assert len(files) == 5
    spent = sum(calls_of(run).values())
    checks = 2  # one call before each sweep, which is not of a trial
    assert spent >= endpoint.requests + len(endpoint.server.requests) - asked - checks
    page = Faults()
    page.add(
        "the judge is down for an hour",
        f"its server stopped for {OUTAGE_S:.0f} s, with `patience_s` {PATIENCE_S:g} s in place of 120 s "
        "(an hour, scaled)",
        f"nothing; {waiting} of 3 trials are unjudged until `--resume`",
        None,
    )
    page.write()
