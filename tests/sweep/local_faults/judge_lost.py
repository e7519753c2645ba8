"""A judge's endpoint that is down for longer than the sweep waits for it."""

import time
from contextlib import ExitStack

from lookahead_ray import store
from lookahead_ray.evaluate.judges.call_quota import calls_of
from lookahead_ray.presentation.status import read_status
from tests.evaluate.judges.judge_server import Server, scored, serve
from tests.faults_page import CountedRow
from tests.sweep.local_faults.experiment import Sweeps, experiment

OUTAGE_S, PATIENCE_S = 30.0, 1.0
FAILED = 1  # exit code
CHECK = 1  # call before a sweep, which is not of a trial


class Endpoint:
    """A judge's server that can be stopped and started at the same address."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._port = 0
        self.requests = 0  # before the last stop
        self.start()

    def start(self) -> None:
        """Start the server."""
        self.server: Server = self._stack.enter_context(serve(self._port))
        self._port = int(self.server.base_url.split(":")[-1].split("/")[0])
        self.server.answer = lambda user, call: scored(f"#thescore: {5 if len(user) % 3 else 1}")

    def stop(self) -> None:
        """Stop the server."""
        self.requests += len(self.server.requests)
        self._stack.close()


def judge_down(sweeps: Sweeps) -> CountedRow:
    """Stop the judge before the search, until long after the sweep has ended.

    `patience_s` is 1 s in place of 120 s, so an outage of 30 s is to this sweep what an hour is by default.
    """
    endpoint = Endpoint()
    judge = (
        f"name: llm, model: m, base_url: '{endpoint.server.base_url}', timeout_s: 10, backoff_s: 0.1, "
        f"max_pause_s: 0.2, retries: 1000, patience_s: {PATIENCE_S}"
    )
    settings = (
        f"evaluation.judges=[{{{judge}}}]",
        "training.learning_rate=0.01",
        "training.epochs=4",
        "search.reference={}",
        "search.enqueue=[]",
        "evaluation.safety_new_tokens=12",
        "search.trials=3",
        "search.sampler={name: random}",
    )
    with ExitStack() as stack:
        stack.callback(endpoint.stop)
        case = stack.enter_context(experiment(sweeps, "judge", *settings))
        asked = len(endpoint.server.requests)
        first = case.start()
        first.wait_for("finished: vanilla")
        case.note()
        endpoint.stop()
        down_s = time.monotonic()
        assert first.process.wait(400) == FAILED, first.text()
        assert "for a judge, answers kept: judge llm: base_url: must be an endpoint" in first.text()
        states = [record.status for record in store.open(case.run).records()]
        waiting = states.count("unjudged")  # a trial whose answers are those of an earlier one needs no call
        assert set(states) == {"completed", "unjudged"}
        assert read_status(case.run).by_status["unjudged"] == waiting
        time.sleep(max(0.0, OUTAGE_S - (time.monotonic() - down_s)))
        endpoint.start()
        second = case.start("--resume")
        assert "running: " not in second.finish()  # nothing is trained again
        spent = sum(calls_of(case.run).values())
        assert spent >= endpoint.requests + len(endpoint.server.requests) - asked - 2 * CHECK
        how = (
            f"its server stopped for {OUTAGE_S:.0f} s, with `patience_s` {PATIENCE_S:g} s in place of 120 s "
            "(an hour, scaled)"
        )
        lost = f"nothing; {waiting} of 3 trials are unjudged until `--resume`"
        return case.row("the judge is down for an hour", how, lost)
